"""The figures of a comparison; one definition serves the page and print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whichpeft.analysis import Comparison, Row
from whichpeft.report.figures.costs import cost_figures
from whichpeft.report.figures.efficiency import efficiency
from whichpeft.report.figures.figure import Figure, Size, titled, undrawn
from whichpeft.report.figures.figure_data import score_columns
from whichpeft.report.figures.forest import gap_figures
from whichpeft.report.figures.frontier import frontiers
from whichpeft.report.figures.learning_curves import learning_figures
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.size_sweep import sweep_figures
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.tuning import tuning_figures
from whichpeft.report.published.overlay import overlay_published
from whichpeft.report.tables.columns import about, interval_over, with_bounds
from whichpeft.report.text import UNKNOWN, plain, tuned_note
from whichpeft.units import points, show_percent, show_seconds

_WORDS = {"trainable_percent": "trainable share", "train_seconds": "training time"}


def figures(comparison: Comparison, size: Size, beside: str | None = None) -> dict[str, Figure]:
    """Return the figures of a comparison by the name of their files, what tells most first.

    beside: a published table that one more figure draws beside the comparison's results.
    """
    published = (
        {} if beside is None else {f"beside-{beside}": overlay_published(comparison, beside, size)}
    )
    return {
        **frontiers(comparison, size),
        **gap_figures(comparison, size),
        "score-against-share": score_against_share(comparison, size),
        "score-against-time": score_against_time(comparison, size),
        "efficiency": efficiency(comparison, size),
        **sweep_figures(comparison, size),
        **learning_figures(comparison, size),
        **cost_figures(comparison, size),
        **tuning_figures(comparison, size),
        **published,
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
    look = looks([row["method"] for row in comparison.rows])
    dots = [
        Point(
            name=plain(row["method"]),
            x=row[x],
            y=points(row["score_mean"]),
            low=None if row["score_low"] is None else points(row["score_low"]),
            high=None if row["score_high"] is None else points(row["score_high"]),
            size=row[point_size],
            colour=look[row["method"]].colour,
            shape=look[row["method"]].shape,
            facts=(
                ("score", with_bounds(row, "score")),
                ("trainable", _shown(row["trainable_percent"], show_percent)),
                ("train time", _shown(row["train_seconds"], show_seconds)),
            ),
        )
        for row in drawn
    ]
    if not dots:
        why = f"no method that trains has both a score and its {_WORDS[x]}"
        return undrawn(why, size, title=title, about=about(comparison))
    spec = scatter(dots, axes, line=line)
    left_out = _left_out(comparison, drawn, x, line is not None)
    barred = any(dot.low is not None for dot in dots)
    bars = f" Bars: 95 % interval over {interval_over(comparison)}." if barred else ""
    hollow = " Hollow: size not measured." if any(dot.size is None for dot in dots) else ""
    caption = f"{reading}{hollow}{bars}{tuned_note(comparison)}{left_out}"
    table = [score_columns(row) | {key: row[key] for key in (x, point_size)} for row in drawn]
    return titled(spec, size, title=title, about=about(comparison), caption=caption, rows=table)


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


def _score_title(comparison: Comparison) -> str:
    return f"{plain(comparison.metric or 'score')}, points"


def _shown(value: Any, show: Callable[[float], str]) -> str:
    return UNKNOWN if value is None else show(value)
