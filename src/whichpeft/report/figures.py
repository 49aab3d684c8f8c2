"""The figures of a comparison; one definition serves the page and print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whichpeft.analysis import Comparison, Row
from whichpeft.report.columns import about, interval_over, with_bounds
from whichpeft.report.figure import Figure, Size, titled
from whichpeft.report.frontier_figure import frontier
from whichpeft.report.labels import CHAR, distinct
from whichpeft.report.scales import Axes, Point
from whichpeft.report.scatter import nothing, scatter
from whichpeft.report.style import colours
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.report.tuning_figures import tuning_figures
from whichpeft.units import points, show_percent, show_seconds


def figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the figures of a comparison by the name of their files."""
    return {
        "score-against-share": score_against_share(comparison, size),
        "score-against-time": score_against_time(comparison, size),
        "frontier": frontier(comparison, size),
        "efficiency": efficiency(comparison, size),
        **tuning_figures(comparison, size),
    }


def score_against_share(comparison: Comparison, size: Size) -> Figure:
    """Draw score against trainable share, on a log axis, with a line for the baseline.

    Point size is training time. What trains nothing has no place on a log axis, and a baseline
    that trains everything is the line alone: the caption gives the one and the line the other.
    """
    base = comparison.baseline_row
    drawn = [
        row
        for row in comparison.answers
        if row["score_mean"] is not None
        and (row["trainable_percent"] or 0) > 0
        and not (row is base and row["trainable_percent"] > 99)
    ]
    axes = Axes(
        x_title="trainable parameters, % of the adapted model",
        y_title=_score_title(comparison),
        width=size.width,
        height=size.height,
        log_x=True,
        size_title="train time, s",
    )
    line = None
    if base is not None and base["score_mean"] is not None:
        line = points(base["score_mean"]), f"{plain(base['method'])} {points(base['score_mean']):.1f}"
    return _scatter_figure(
        comparison,
        size,
        axes,
        drawn,
        x="trainable_percent",
        point_size="train_seconds",
        line=line,
        title="Score against trainable share",
        reading=f"Point size: train time.{f' Dashed: {plain(comparison.baseline)}.' if line else ''}",
    )


def score_against_time(comparison: Comparison, size: Size) -> Figure:
    """Draw score against training time; point size is the trainable share."""
    drawn = [
        row
        for row in comparison.answers
        if row["score_mean"] is not None and (row["train_seconds"] or 0) > 0
    ]
    axes = Axes(
        x_title="train time of one trial, s",
        y_title=_score_title(comparison),
        width=size.width,
        height=size.height,
        zero_x=True,
        size_title="trainable parameters, %",
        # Shares span decades: in proportion, all but full fine-tuning would look alike.
        size_exponent=0.35,
    )
    return _scatter_figure(
        comparison,
        size,
        axes,
        drawn,
        x="train_seconds",
        point_size="trainable_percent",
        line=None,
        title="Score against training time",
        reading="Point size: trainable share.",
    )


def efficiency(comparison: Comparison, size: Size) -> Figure:
    """Draw parameter efficiency, normalised score and time efficiency side by side, in per cent."""
    import altair as alt

    rows = comparison.answers
    names = distinct([plain(row["method"]) for row in rows])
    colour = colours([row["method"] for row in rows])
    panels = {
        "parameter efficiency, %": [_rest(row["percent_of_full"]) for row in rows],
        "normalised score, %": [_hundredfold(row["normalised_score"]) for row in rows],
        "time efficiency, %": [_hundredfold(row["time_efficiency"]) for row in rows],
    }
    label = min(150, round(CHAR * max(map(len, names), default=1)) + 8)
    room = size.whole_width - label
    width = room - 12 if size.stacked else (room - 2 * 22) // 3
    charts = [
        _bars(
            title,
            [
                {
                    "method": name,
                    "value": value,
                    "text": "not measured" if value is None else f"{value:.1f}",
                    "end": value or 0,
                    "colour": colour[row["method"]],
                }
                for name, row, value in zip(names, rows, values, strict=True)
            ],
            names,
            width=width,
            label=label if size.stacked or i == 0 else None,
        )
        for i, (title, values) in enumerate(panels.items())
    ]
    chart = alt.vconcat(*charts, spacing=26) if size.stacked else alt.hconcat(*charts, spacing=22)
    return titled(
        chart,
        size,
        title="Efficiency in three views",
        about=about(comparison),
        caption="Higher is better. Parameter efficiency: 100 - trainable share of full fine-tuning. "
        "Normalised score: of the best method's. Time efficiency: 1 - train time / the slowest's."
        f"{_tuned(comparison)}",
    )


def _scatter_figure(
    comparison: Comparison,
    size: Size,
    axes: Axes,
    drawn: Sequence[Row],
    *,
    x: str,
    point_size: str,
    line: tuple[float, str] | None,
    title: str,
    reading: str,
) -> Figure:
    colour = colours([row["method"] for row in comparison.rows])
    dots = [
        Point(
            name=plain(row["method"]),
            x=row[x],
            y=points(row["score_mean"]),
            low=None if row["score_low"] is None else points(row["score_low"]),
            high=None if row["score_high"] is None else points(row["score_high"]),
            size=row[point_size],
            colour=colour[row["method"]],
            facts=(
                ("score", with_bounds(row, "score")),
                ("trainable", _shown(row["trainable_percent"], show_percent)),
                ("train time", _shown(row["train_seconds"], show_seconds)),
            ),
        )
        for row in drawn
    ]
    if dots:
        chart = scatter(dots, axes, line=line)
        left_out = _left_out(comparison, drawn, x, line is not None)
    else:
        chart = nothing("no method has both a score and this measurement", size.whole_width)
        left_out = ""
    barred = any(dot.low is not None for dot in dots)
    bars = f" Bars: 95 % interval over {interval_over(comparison)}." if barred else ""
    hollow = " Hollow: size not measured." if any(dot.size is None for dot in dots) else ""
    caption = f"{reading}{hollow}{bars}{_tuned(comparison)}{left_out}"
    return titled(chart, size, title=title, about=about(comparison), caption=caption)


def _left_out(comparison: Comparison, drawn: Sequence[Row], x: str, has_line: bool) -> str:
    """Say which methods are not drawn and why, with their score where there is one."""
    idle: list[str] = []
    unmeasured: list[str] = []
    for row in comparison.answers:
        if row in drawn or (has_line and row is comparison.baseline_row):
            continue
        name = plain(row["method"])
        if row["score_mean"] is not None:
            name += f" {points(row['score_mean']):.1f}"
        (idle if row[x] == 0 and row["score_mean"] is not None else unmeasured).append(name)
    text = f" Trains nothing, so has no place here: {', '.join(idle)}." if idle else ""
    return text + (f" Not drawn, no measurement: {', '.join(unmeasured)}." if unmeasured else "")


def _bars(
    title: str, values: list[dict[str, Any]], names: list[str], *, width: int, label: int | None
) -> Any:
    import altair as alt

    low = min([0.0, *(value["end"] for value in values)])
    axis = alt.Axis(labelLimit=label, title=None, ticks=False, domain=False) if label else None
    y = alt.Y("method:N", sort=names, axis=axis)
    # Room beyond 100 for the number at the end of the longest bar.
    x_scale = alt.Scale(domain=[low, 100 + 46 * 100 / width], nice=False)
    x = alt.X("end:Q", title=title, scale=x_scale, axis=alt.Axis(values=[0, 25, 50, 75, 100]))
    base = alt.Chart(alt.Data(values=values))
    bars = base.mark_bar(height={"band": 0.72}).encode(
        x=x,
        y=y,
        color=alt.Color("colour:N", scale=None),
        tooltip=[alt.Tooltip("method:N"), alt.Tooltip("text:N", title=title)],
    )
    ends = base.mark_text(align="left", baseline="middle", dx=4).encode(x=x, y=y, text="text:N")
    return alt.layer(bars, ends).properties(width=width, height=alt.Step(21))


def _tuned(comparison: Comparison) -> str:
    """Say with which hyperparameters a method stands where it has rows for more than one."""
    if not comparison.searches:
        return ""
    rest = [plain(row["method"]) for row in comparison.answers if row["variant"] != "tuned"]
    return f" Methods as tuned{'; by default ' if rest else ''}{', '.join(rest)}."


def _score_title(comparison: Comparison) -> str:
    return f"{plain(comparison.metric or 'score')}, points"


def _rest(percent: float | None) -> float | None:
    return None if percent is None else 100 - percent


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _shown(value: float | None, show: Any) -> str:
    return UNKNOWN if value is None else str(show(value))
