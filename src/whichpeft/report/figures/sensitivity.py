"""Sensitivity to hyperparameters: the score of every tuning trial, one panel per method.

The panels are one faceted chart with axes and headings drawn as marks, which keeps the page small.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from whichpeft.analysis import Comparison, Search, sensitivity_of
from whichpeft.analysis.search import SearchTrial
from whichpeft.analysis.sensitivity import LEAST_TRIALS, WITHIN, Hyperparameter, Sensitivity
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.label_placement import CHAR, shortened
from whichpeft.report.figures.scales import log_ticks
from whichpeft.report.figures.style import Look
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    amount,
    as_is,
    chart,
    fixed,
    in_rows,
    linear,
    mark,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about
from whichpeft.report.text import plain
from whichpeft.units import points

_HEIGHT = 120  # pixels of a panel
_BETWEEN = 20  # pixels between two neighbouring panels
_AXIS = 42  # pixels that the y axis of a row takes
_LINE = 13  # pixels of a line of a heading
_CROSS = "M-.8,-.8L.8,.8M-.8,.8L.8,-.8"  # the path of a cross-shaped point
_EDGE = 0.06  # share of a panel's width left free on either side


def sensitivity_figure(
    comparison: Comparison, searches: Mapping[str, Search], look: Mapping[str, Look], size: Size
) -> Figure:
    """Draw the score of every tuning trial against its learning rate, one panel per method."""
    found = {method: sensitivity_of(search) for method, search in searches.items()}
    columns = min(len(found), 2 if size.stacked else 4 if size.whole_width > 800 else 3)
    width = (size.whole_width - _AXIS - (columns - 1) * _BETWEEN) // columns
    scores = [t.score for search in searches.values() for t in search.trials if t.score is not None]
    margin = 0.08 * (max(scores) - min(scores)) or 0.01
    low, high = points(min(scores) - margin), points(max(scores) + margin)
    heads = {method: _heading(one, width) for method, one in found.items()}
    above = _LINE * max(map(len, heads.values())) + 26
    values = []
    for place, (method, one) in enumerate(found.items()):
        own = [
            {
                "kind": "panel",
                "name": shortened(method, width - 6),
                "head": "\n".join(heads[method]),
                "axis": _axis_title(one),
            },
            *_marks(searches[method], one, low, width, look[method].colour),
        ]
        values += in_rows(own, panel=place, method=method, colour=look[method].colour)
    panel = chart(_layers((low, high), width, above), width=width, height=_HEIGHT)
    spec = {
        "data": {"values": values},
        # The headings are marks; the labels are empty, because a facet cannot switch them off.
        "facet": {"field": "panel", "type": "ordinal", "title": None,
                  "header": {"labelExpr": "''", "labelPadding": 0}},
        "columns": columns,
        "spacing": {"row": 18, "column": _BETWEEN},
        "spec": panel,
    }  # fmt: skip
    return make_figure(
        spec,
        title="Sensitivity to hyperparameters",
        about=about(comparison),
        caption=_caption(searches, found),
        rows=[
            {
                "method": method,
                "trial": trial.number,
                "status": trial.status,
                "validation_score_points": None if trial.score is None else points(trial.score),
                **trial.values,
            }
            for method, search in searches.items()
            for trial in search.trials
        ],
    )


def count_trials(searches: Mapping[str, Search], status: str | None = None) -> int:
    """Count the tuning trials that ended with a status, or all of them."""
    trials = [trial for search in searches.values() for trial in search.trials]
    return sum(status in (None, one.status) for one in trials)


def _layers(domain: tuple[float, float], width: int, above: int) -> list[Spec]:
    """Return the layers of a panel; each draws the rows of its kind."""

    def of(kind: str, shape: str, encoding: Spec, **style: Any) -> Spec:
        return mark(shape, encoding, only=f"datum.kind == '{kind}'", **style)

    x = number("x", axis=None, scale=linear(0, 1))
    y = number("y", title=None, scale=linear(*domain), axis={"tickCount": 5})
    across = {"x": fixed(0), "x2": fixed(width)}
    tips = {"method": "method", "number": "trial", "text": "score", "status": "status", "values": "with"}
    trial = {
        "x": x,
        "y": y,
        "stroke": as_is("colour"),
        "fill": as_is("fill"),
        "shape": as_is("shape"),
        "size": amount("size"),
        "tooltip": tooltip(tips),
    }
    return [
        of("band", "rect", {**across, "y": y, "y2": {"field": "top"}, "color": as_is("colour")},
           opacity=0.16),
        of("panel", "rule", {**across, "y": fixed(_HEIGHT)}),
        of("tick", "rule", {"x": x, "y": fixed(_HEIGHT), "y2": fixed(_HEIGHT + 5)}),
        of("tick", "text", {"x": x, "y": fixed(_HEIGHT + 8), "text": word("text")}, baseline="top",
           fontSize=11, opacity=0.8),
        of("default", "rule", {"x": x}, strokeDash=[2, 3], strokeWidth=1.2),
        of("trial", "point", trial, strokeWidth=1.4, opacity=0.9),
        of("panel", "text", {"x": fixed(0), "y": fixed(6 - above), "text": word("name")},
           align="left", baseline="top", fontWeight="bold", fontSize=12),
        of("panel", "text", {"x": fixed(0), "y": fixed(22 - above), "text": word("head")},
           align="left", baseline="top", fontSize=10, opacity=0.8, lineBreak="\n", lineHeight=_LINE),
        of("panel", "text", {"x": fixed(width / 2), "y": fixed(_HEIGHT + 23), "text": word("axis")},
           baseline="top", fontSize=10),
    ]  # fmt: skip


def _marks(search: Search, found: Sensitivity, floor: float, width: int, colour: str) -> list[FigureRow]:
    """Return the rows to draw for one search; x is a share of the panel's width."""
    shown = _shown(found)
    places, ticks = _across(shown, len(search.trials), width)
    names = [] if shown is None else [shown.name, *shown.alike]
    marks: list[FigureRow] = [{"kind": "tick", "x": x, "text": text} for x, text in ticks]
    best = None if search.best is None else search.best.score
    if best is not None:
        marks.append({"kind": "band", "y": points(best - WITHIN), "top": points(best)})
    for trial, place in zip(search.trials, places, strict=True):
        if trial.number == 0:
            marks.append({"kind": "default", "x": place})
        one = {
            "kind": "trial",
            "x": place,
            # A failed trial has no score and is drawn at the bottom.
            "y": floor if trial.score is None else points(trial.score),
            "fill": colour,
            "shape": _CROSS if trial.score is None else "circle",
            "size": 40,
            "number": trial.number,
            "status": trial.status,
            "text": "none" if trial.score is None else f"{points(trial.score):.1f}",
            "values": _with(trial, names),
        }
        marks.append(one | {"fill": "transparent"} if trial.status != "completed" else one)
        if trial is search.best:
            marks.append(one | {"fill": "transparent", "size": 130})
    return marks


def _across(
    shown: Hyperparameter | None, count: int, width: int
) -> tuple[list[float], list[tuple[float, str]]]:
    """Return the positions of trials as shares of a panel's width, and the ticks with their text."""
    if shown is None:
        return [0.5] * count, []
    if shown.log:
        low, high = min(shown.values), max(shown.values)
        span = math.log(high / low)

        def share(value: float) -> float:
            return _EDGE + (1 - 2 * _EDGE) * math.log(value / low) / span

        ticks = log_ticks(low, high)
        while len(ticks) > max(2, width // 48):
            ticks = ticks[::2]
        return [share(value) for value in shown.values], [(share(tick), _power(tick)) for tick in ticks]
    met = sorted(set(map(str, shown.values)), key=_by_number)
    shares = {text: (i + 0.5) / len(met) for i, text in enumerate(met)}
    longest = max(map(len, met))
    every = -(-len(met) * round(CHAR * longest + 6) // width)
    return (
        [shares[str(value)] for value in shown.values],
        [(shares[text], plain(text)) for text in met[:: max(1, every)]],
    )


def _shown(found: Sensitivity) -> Hyperparameter | None:
    """Return the hyperparameter to draw: the learning rate, or the first other one if it was fixed."""
    rates = [one for one in found.hyperparameters if one.log]
    return next(iter([*rates, *found.hyperparameters]), None)


def _axis_title(found: Sensitivity) -> str:
    shown = _shown(found)
    return "nothing varied" if shown is None else plain(shown.name.replace("_", " "))


def _heading(found: Sensitivity, width: int) -> list[str]:
    """Summarise in short lines how robust a method is and what it depends on."""
    lines = []
    robust = found.robustness
    if robust is None:
        lines.append("no trial completed" if len(found.hyperparameters) else "one trial")
    else:
        near = f"{robust.within} of {robust.of} within {points(WITHIN):g} point"
        low, high = f"{100 * robust.low:.0f}", f"{100 * robust.high:.0f}"
        # Any of the stopped trials might have come within, so there is no upper bound.
        if robust.stopped:
            lines += [f"≥ {near}", f"≥ {low} % of the space"]
        else:
            lines += [near, f"{low} to {high} % of the space"]
    shares = [
        # A space at which lines do not break.
        f"{_brief(one.name)}\N{NO-BREAK SPACE}{one.importance:.2f}"
        for one in found.hyperparameters
        if one.importance is not None
    ]
    return [*lines, *textwrap.wrap(", ".join(shares), int(width / 5.2))]


def _brief(name: str) -> str:
    return plain(name).replace("learning_rate", "rate")


def _with(trial: SearchTrial, first: Sequence[str]) -> str:
    names = [*first, *(name for name in trial.values if name not in first)]
    return plain(", ".join(f"{name}={trial.values.get(name)}" for name in names))


def _power(value: float) -> str:
    """Format a number like a learning rate: ``3e-4``."""
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _by_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _caption(searches: Mapping[str, Search], found: Mapping[str, Sensitivity]) -> str:
    near = f"{points(WITHIN):g} point"
    parts = ["Validation score in points of every tuning trial."]
    if count_trials(searches, "stopped"):
        parts.append("Hollow: stopped early, at the score reached by then.")
    if count_trials(searches, "failed"):
        parts.append("Cross: failed.")
    parts.append(
        f"Ring: the best. Dotted: the default. Shaded: within {near} of the best. Above each panel: the "
        "number of trials in that range among those that sample the search space evenly, and the share "
        "of the space that this estimates (95 % interval)."
    )
    if any(one.importance is not None for each in found.values() for one in each.hyperparameters):
        parts.append("Below that: the share of the scores' variance that each hyperparameter explains.")
    elif max(len(search.trials) for search in searches.values()) < LEAST_TRIALS:
        parts.append(f"The importance of each hyperparameter is shown from {LEAST_TRIALS} trials.")
    return " ".join(parts)
