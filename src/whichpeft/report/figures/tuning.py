"""The figures of searches: how much tuning is enough, and, from their own module, sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whichpeft.analysis import Comparison, Search, curve_of
from whichpeft.analysis.budget_curve import Curve, leaders, overtakings
from whichpeft.report.figures.figure import Figure, Size, titled
from whichpeft.report.figures.label_placement import CHAR, LINE, shortened, spread
from whichpeft.report.figures.sensitivity import count_trials, sensitivity_figure
from whichpeft.report.figures.style import Look, looks
from whichpeft.report.figures.vega import Spec, as_is, chart, fixed, linear, mark, number, tooltip, word
from whichpeft.report.tables.columns import about
from whichpeft.report.text import plain
from whichpeft.units import points

_MOST_SHADES = 8  # more of them, one on the other, say nothing
_LEAD = 16  # pixels from the end of a line to its name


def tuning_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the figures of a comparison's searches; none where nothing was tuned."""
    searches = {
        plain(method): search
        for method, search in comparison.searches.items()
        if sum(trial.score is not None for trial in search.trials) > 1
    }
    if not searches:
        return {}
    # By all methods of the comparison, so that a method looks here as it does elsewhere.
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
    """Draw the validation score to expect against tuning trials, a line a method, named at its end."""
    curves = {method: curve for method, search in searches.items() if (curve := curve_of(search))}
    names = {method: shortened(method, size.width * 0.38) for method in curves}
    width = size.width - round(CHAR * max(map(len, names.values()))) - _LEAD
    every = [point for curve in curves.values() for point in curve]
    low, high = min(point.low for point in every), max(point.high for point in every)
    margin = 0.05 * (high - low) or 0.01
    domain = points(low - margin), points(high + margin)
    values = _values(curves, names, look, domain, size.height)
    budgets = {point.budget for point in every}
    layers = _layers(domain, budgets, width, shaded=len(curves) <= _MOST_SHADES)
    return titled(
        chart(layers, values=values, width=width, height=size.height),
        size,
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
    # The scale and the axis of a layer are made of those of all marks in it, so all have the same.
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
        title="best validation score to expect, points",
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
        mark("rule", {"x": x, "x2": fixed(width + _LEAD - 4), "y": y, "y2": {"field": "at"}},
             where="datum.label != null", strokeWidth=0.7),
        mark("text", {"x": fixed(width + _LEAD), "y": y | {"field": "at"}, "text": word("label"),
                      "color": as_is("colour")},
             where="datum.label != null", align="left", baseline="middle", fontWeight="bold"),
    ]  # fmt: skip


def _values(
    curves: Mapping[str, Curve],
    names: Mapping[str, str],
    look: Mapping[str, Look],
    domain: tuple[float, float],
    height: int,
) -> list[dict[str, Any]]:
    """Return the points of all lines; the last of each bears its name, at a height of its own."""
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
                # Methods of one family have one colour: what tells their lines apart is the dash.
                "colour": look[method].colour,
                "dash": list(look[method].dash),
            }
            for point in curve
        ]
        values[-1] |= {"label": names[method], "at": high - (high - low) * at / height}
    return values


def _whole_ticks(first: int, last: int, width: int) -> list[int]:
    """Return whole numbers of trials for an axis, the first and the last among them."""
    most = max(2, width // 34)
    step = next(
        (s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if (last - first) / s <= most), last - first
    )
    between = [tick for tick in range(step, last, step) if tick > first and last - tick >= step / 2]
    return sorted({first, *between, last})


def _caption(searches: Mapping[str, Search], curves: Mapping[str, Curve]) -> str:
    parts = [
        "Lines: mean of the best validation score that a search of so many trials finds, the default "
        "being its first.",
    ]
    if len(curves) <= _MOST_SHADES:
        parts.append("Shaded: the middle half of such searches.")
    if len(curves) > 1:
        (first, best), *later = leaders(curves)
        turns = ", ".join(f"from {budget} trials on {method}" for budget, method in later)
        with_first = f"with {first} trial{'s' if first > 1 else ''}"
        parts.append(
            f"Expected to be the best: {best} {with_first}, {turns}."
            if later
            else f"Expected to be the best with any number of trials: {best}."
        )
        changed = {frozenset((one.method, one.overtaken)) for one in overtakings(curves)}
        pairs = len(curves) * (len(curves) - 1) // 2
        parts.append(f"Pairs of methods whose order changes with the number: {len(changed)} of {pairs}.")
    stopped = count_trials(searches, "stopped")
    if stopped:
        parts.append(
            f"{stopped} of {count_trials(searches)} trials were stopped early and count with the score "
            "reached by then, so a line is the least to expect."
        )
    return " ".join(parts)
