"""The figures of searches: how much tuning is enough, and the sensitivity from its own module."""

from __future__ import annotations

from collections.abc import Mapping

from whichpeft.analysis import Comparison, Search, curve_of
from whichpeft.analysis.budget_curve import Curve, leaders, overtakings
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.label_placement import LINE, shortened, spread
from whichpeft.report.figures.line_names import line_names, room_for
from whichpeft.report.figures.sensitivity import count_trials, sensitivity_figure
from whichpeft.report.figures.style import Look, looks
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    linear,
    mark,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about
from whichpeft.report.text import plain
from whichpeft.units import counted, points

_MOST_SHADES = 8  # more overlapping bands are unreadable


def tuning_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the figures of a comparison's searches; empty if nothing was tuned."""
    searches = {
        plain(method): search
        for method, search in comparison.searches.items()
        if sum(trial.score is not None for trial in search.trials) > 1
    }
    if not searches:
        return {}
    # From all methods of the comparison, so that a method looks the same in every figure.
    look = {
        plain(m): found for m, found in looks([result.method for result in comparison.results]).items()
    }
    return {
        "tuning": tuning_curves(comparison, searches, look, size),
        "sensitivity": sensitivity_figure(comparison, searches, look, size),
    }


def tuning_curves(
    comparison: Comparison, searches: Mapping[str, Search], look: Mapping[str, Look], size: Size
) -> Figure:
    """Draw the expected best validation score against tuning trials, one line per method."""
    curves = {method: curve for method, search in searches.items() if (curve := curve_of(search))}
    names = {method: shortened(method, size.width * 0.38) for method in curves}
    width = size.width - room_for(list(names.values()))
    every = [point for curve in curves.values() for point in curve]
    low, high = min(point.low for point in every), max(point.high for point in every)
    margin = 0.05 * (high - low) or 0.01
    domain = points(low - margin), points(high + margin)
    values = _values(curves, names, look, domain, size.height)
    budgets = {point.budget for point in every}
    layers = _layers(domain, budgets, width, shaded=len(curves) <= _MOST_SHADES)
    return make_figure(
        chart(layers, values=values, width=width, height=size.height),
        title="How much tuning is enough",
        about=about(comparison),
        caption=_caption(searches, curves),
        rows=[
            {
                "method": method,
                "tuning_trials": point.budget,
                "expected_best_validation_score_points": points(point.expected),
                "lower_quartile_points": points(point.low),
                "upper_quartile_points": points(point.high),
            }
            for method, curve in curves.items()
            for point in curve
        ],
    )


def _layers(domain: tuple[float, float], budgets: set[int], width: int, *, shaded: bool) -> list[Spec]:
    first, last = min(budgets), max(budgets)
    # Vega merges the scales and axes of all marks in a layer, so all of them have the same.
    x = number(
        "budget",
        title="tuning trials",
        scale=linear(first, last),
        axis={
            "values": _whole_ticks(first, last, width),
            "format": "d",
            "labelOverlap": False,
            "labelFlush": False,
        },
    )
    y = number(
        "expected",
        title="expected best validation score, points",
        scale=linear(*domain),
        axis={"tickCount": 6},
    )
    tips = {"name": "method", "budget": "tuning trials", "score": "expected", "half": "half of searches"}
    shade = mark(
        "area",
        {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": as_is("colour"),
         "detail": word("name")},
        opacity=0.09,
    )  # fmt: skip
    return [
        *([shade] if shaded else []),
        mark("line", {"x": x, "y": y, "color": as_is("colour"), "strokeDash": as_is("dash"),
                      "detail": word("name")}, strokeWidth=2),
        mark("point", {"x": x, "y": y, "tooltip": tooltip(tips)}, filled=True, size=60, opacity=0.001),
        *line_names(x, y, width, at="at"),
    ]  # fmt: skip


def _values(
    curves: Mapping[str, Curve],
    names: Mapping[str, str],
    look: Mapping[str, Look],
    domain: tuple[float, float],
    height: int,
) -> list[FigureRow]:
    """Return the points of all lines; the last point of each has its name, at its own height."""
    low, high = domain
    down = [height * (high - points(curve[-1].expected)) / (high - low) for curve in curves.values()]
    placed = spread(down, LINE / 2, height - LINE / 2)
    values = []
    for (method, curve), at in zip(curves.items(), placed, strict=True):
        values += [
            {
                "name": method,
                "budget": point.budget,
                "expected": points(point.expected),
                "low": points(point.low),
                "high": points(point.high),
                "score": f"{points(point.expected):.1f}",
                "half": f"{points(point.low):.1f} to {points(point.high):.1f}",
                # Methods of one family share a colour; the dash distinguishes their lines.
                "colour": look[method].colour,
                "shape": look[method].shape,
                "dash": list(look[method].dash),
            }
            for point in curve
        ]
        values[-1] |= {"label": names[method], "at": high - (high - low) * at / height}
    return values


def _whole_ticks(first: int, last: int, width: int) -> list[int]:
    """Return whole numbers of trials for an axis, including the first and the last."""
    most = max(2, width // 34)
    step = next(
        (s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if (last - first) / s <= most), last - first
    )
    between = [tick for tick in range(step, last, step) if tick > first and last - tick >= step / 2]
    return sorted({first, *between, last})


def _caption(searches: Mapping[str, Search], curves: Mapping[str, Curve]) -> str:
    parts = [
        "Lines: expected best validation score of a search with this number of trials; the first trial "
        "uses the defaults.",
    ]
    if len(curves) <= _MOST_SHADES:
        parts.append("Shaded: interquartile range over such searches.")
    if len(curves) > 1:
        (first, best), *later = leaders(curves)
        turns = ", ".join(f"{method} from {budget} trials" for budget, method in later)
        with_first = f"with {counted(first, 'trial')}"
        parts.append(
            f"Expected best method: {best} {with_first}, {turns}."
            if later
            else f"Expected best method for any number of trials: {best}."
        )
        changed = {frozenset((one.method, one.overtaken)) for one in overtakings(curves)}
        pairs = len(curves) * (len(curves) - 1) // 2
        parts.append(
            f"Pairs of methods whose order depends on the number of trials: {len(changed)} of {pairs}."
        )
    stopped = count_trials(searches, "stopped")
    if stopped:
        parts.append(
            f"{stopped} of {count_trials(searches)} trials were stopped early and count with the "
            "score reached by then, so the lines are lower bounds."
        )
    return " ".join(parts)
