"""Learning curves: validation score and training loss by step, one line per method."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from whichpeft.analysis import Comparison
from whichpeft.analysis.learning_curves import LOSS, SCORE, Step, learning_curve
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.label_placement import LINE, distinct, shortened, spread
from whichpeft.report.figures.line_names import line_names, room_for
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    concat,
    linear,
    mark,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about
from whichpeft.report.text import plain, tuned_note

_AXIS = 56  # pixels that a panel's y axis takes
_MOST_SHADES = 8  # more overlapping bands are unreadable

Lines = dict[str, list[Step]]


def learning_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the learning curves by file name; empty if no curves were kept."""
    scores, losses = _read(comparison)
    if not scores and not losses:
        return {}
    panels = [
        (title, lines)
        for title, lines in (
            ("validation score, points", scores),
            ("training loss", losses),
        )
        if lines
    ]
    methods = list(dict.fromkeys([*scores, *losses]))
    room = size.width * (0.3 if size.stacked else 0.14)
    names = dict(zip(methods, distinct([shortened(plain(m), room) for m in methods]), strict=True))
    label = room_for(list(names.values()))
    width = size.width - label
    if not size.stacked and len(panels) > 1:
        width = (size.whole_width - len(panels) * (_AXIS + label)) // len(panels)
    drawn = [
        _panel(comparison, title, lines, names, width=width, height=_height(size))
        for title, lines in panels
    ]
    figure = make_figure(
        drawn[0] if len(drawn) == 1 else concat(drawn, stacked=size.stacked, spacing=18),
        title="Learning curves",
        about=about(comparison),
        caption=_caption(comparison, scores, losses),
        rows=_table(scores, losses),
    )
    return {"learning": figure}


@lru_cache(maxsize=2)
def _read(comparison: Comparison) -> tuple[Lines, Lines]:
    """Read the curves of every method's final trials: scores, in points, and losses."""
    scores: Lines = {}
    losses: Lines = {}
    if comparison.curves is None:
        return scores, losses
    for result in comparison.answers:
        for name, lines in ((SCORE, scores), (LOSS, losses)):
            found = learning_curve(result.records.completed, comparison.curves, name)
            if len(found) > 1:
                lines[result.method] = found
    return scores, losses


def _height(size: Size) -> int:
    return round(0.62 * size.height) if size.stacked else round(0.8 * size.height)


def _panel(
    comparison: Comparison,
    title: str,
    lines: Lines,
    names: Mapping[str, str],
    *,
    width: int,
    height: int,
) -> Spec:
    scale = 100.0 if lines and title.endswith("points") else 1.0
    every = [step for steps in lines.values() for step in steps]
    shaded = len(lines) <= _MOST_SHADES
    low = scale * min(step.low if shaded else step.mean for step in every)
    high = scale * max(step.high if shaded else step.mean for step in every)
    margin = 0.05 * (high - low) or 0.01 * scale
    low, high = low - margin, high + margin
    first, last = min(step.step for step in every), max(step.step for step in every)
    x = number("step", title="optimiser step", scale=linear(min(first, 0), last),
               axis={"tickCount": max(2, width // 60), "format": "d"})  # fmt: skip
    y = number("mean", title=title, scale=linear(low, high), axis={"tickCount": 5})
    values = _values(comparison, lines, names, scale, (low, high), height)
    shade = mark(
        "area",
        {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": as_is("colour"),
         "detail": word("name")},
        opacity=0.09,
    )  # fmt: skip
    tips = tooltip({"name": "method", "step": "step", "shown": title, "range": "seeds"})
    return chart(
        [
            *([shade] if shaded else []),
            mark("line", {"x": x, "y": y, "color": as_is("colour"), "detail": word("name"),
                          "strokeDash": as_is("dash")}, strokeWidth=2),
            mark("point", {"x": x, "y": y, "tooltip": tips}, filled=True, size=60, opacity=0.001),
            *line_names(x, y, width, at="at"),
        ],
        values=values, width=width, height=height,
    )  # fmt: skip


def _values(
    comparison: Comparison,
    lines: Lines,
    names: Mapping[str, str],
    scale: float,
    domain: tuple[float, float],
    height: int,
) -> list[FigureRow]:
    """Return the points of all lines; the last point of each has its name, at its own height."""
    look = looks([result.method for result in comparison.results])
    low, high = domain
    ends = [height * (high - scale * steps[-1].mean) / (high - low) for steps in lines.values()]
    placed = spread(ends, LINE / 2, height - LINE / 2)
    values: list[FigureRow] = []
    for (method, steps), at in zip(lines.items(), placed, strict=True):
        values += [
            {
                "name": plain(method),
                "step": step.step,
                "mean": scale * step.mean,
                "low": scale * step.low,
                "high": scale * step.high,
                "shown": f"{scale * step.mean:.4g}",
                "range": f"{scale * step.low:.4g} to {scale * step.high:.4g}",
                "colour": look[method].colour,
                "shape": look[method].shape,
                "dash": list(look[method].dash),
            }
            for step in steps
        ]
        values[-1] |= {"label": names[method], "at": high - (high - low) * at / height}
    return values


def _table(scores: Lines, losses: Lines) -> list[FigureRow]:
    rows: list[FigureRow] = []
    for lines, key, scale in ((scores, "validation_score_points", 100.0), (losses, "train_loss", 1.0)):
        rows += [
            {"method": plain(method), "step": step.step, "measure": key, "mean": scale * step.mean,
             "least_of_seeds": scale * step.low, "largest_of_seeds": scale * step.high}
            for method, steps in lines.items()
            for step in steps
        ]  # fmt: skip
    return rows


def _caption(comparison: Comparison, scores: Lines, losses: Lines) -> str:
    drawn = {*scores, *losses}
    parts = [
        "Lines: mean over the seeds of the final trials, up to the step at which the first one ended."
    ]
    if len(drawn) <= _MOST_SHADES:
        parts.append("Shaded: range over the seeds.")
    if losses:
        parts.append(
            "Training loss: the task's loss with dropout and without terms that a method adds (such as "
            "AdaLoRA's penalty), so a lower loss does not imply a better method."
        )
    left = [plain(result.method) for result in comparison.answers if result.method not in drawn]
    if left:
        parts.append(f"No curve: {', '.join(left)}.")
    return " ".join(parts) + tuned_note(comparison)
