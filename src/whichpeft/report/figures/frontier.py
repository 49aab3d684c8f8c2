"""The frontier of score against a cost, with each method's probability of being on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.analysis.choice.constraints import COSTS, Cost
from whichpeft.analysis.choice.evidence import gather
from whichpeft.analysis.frontier import frontier_probability, on_frontier
from whichpeft.metrics.metric import Floats
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import in_points, score_columns
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.vega import FigureRow
from whichpeft.report.tables.notes import about, interval_over
from whichpeft.report.text import plain, tuned_note, with_bounds
from whichpeft.units import points, show_chance, size_unit

_FAINTEST, _FULLEST = 0.35, 0.95
_LEAST_SHOWN = 0.05  # smaller probabilities would only clutter the figure
_WIDE = 30.0  # costs that differ by more are drawn on a log axis
# If all costs are above this share of the largest, an axis from 0 would compress them.
_CLOSE = 0.6
_USUAL = "time"  # the cost that always has a figure, if only to explain why it is empty

_AXES = {
    "time": "train time of one trial, s",
    "trainable": "trainable parameters",
    "memory": "peak memory of training",
    "adapter-size": "adapter on disk",
    "latency": "latency of one example, ms",
}


def frontiers(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return a figure for each cost that two methods have; always one for training time."""
    found = {}
    for name, cost in COSTS.items():
        drawn = _drawn(comparison, cost)
        if name == _USUAL or len(drawn) > 1:
            stem = "frontier" if name == _USUAL else f"frontier-{name}"
            found[stem] = _frontier(comparison, size, name, cost, drawn)
    return found


def _frontier(
    comparison: Comparison,
    size: Size,
    name: str,
    cost: Cost,
    drawn: Sequence[tuple[MethodResult, float]],
) -> Figure:
    """Draw score against a cost with the observed frontier as a staircase.

    The number after each name is the probability that no other method beats it in both; the smaller
    it is, the fainter the point. `drawn` has the results to draw with their costs.
    """
    title, label = f"Frontier of score and {cost.words}", cost.words
    if not drawn:
        why = f"no method has both a score and its {cost.words}"
        return empty_figure(
            why, size, title=title, about=about(comparison), group="frontier", label=label
        )
    results = [result for result, _ in drawn]
    costs = [value for _, value in drawn]
    likely = _probability(comparison, drawn)
    places = on_frontier([result.score_mean or 0.0 for result in results], [[value] for value in costs])
    unit, factor = size_unit(max(costs)) if cost.key.endswith("_bytes") else ("", 1.0)
    dots = _dots(comparison, results, costs, likely, cost, size, factor)
    axes = Axes(
        x_title=f"{_AXES[name]}{f', {unit}' if unit else ''}",
        y_title=f"{plain(comparison.metric or 'score')}, points",
        width=size.width,
        height=size.height,
        log_x=max(costs) > _WIDE * min(costs),
        zero_x=min(costs) < _CLOSE * max(costs),
        x_format="~s" if name == "trainable" else None,
    )
    stairs = sorted((dot.x, dot.y) for dot, place in zip(dots, places, strict=True) if place)
    with_chances = any(chance is not None for chance in likely)
    return make_figure(
        scatter(dots, axes, steps=stairs),
        size,
        title=title,
        about=about(comparison),
        caption=_caption(comparison, results, dots, cost, with_chances=with_chances),
        rows=_table(results, cost.key, costs, likely, [bool(place) for place in places]),
        group="frontier",
        label=label,
    )


def _drawn(comparison: Comparison, cost: Cost) -> list[tuple[MethodResult, float]]:
    """Return the results that can be compared in score and cost, with their cost if it is not zero."""
    priced = [(result, cost.value(result)) for result in _comparable(comparison)]
    return [(result, value) for result, value in priced if value]


def _comparable(comparison: Comparison) -> list[MethodResult]:
    return [
        result
        for result in comparison.answers
        if result.status == "completed" and result.comparable_scores
    ]


@lru_cache(maxsize=2)
def _draws(comparison: Comparison) -> tuple[list[MethodResult], Floats | None]:
    """Return all results that can be compared, and draws of their true scores."""
    results = _comparable(comparison)
    records = [result.records for result in results]
    evidence = gather(records, comparison.scores, rng=np.random.default_rng(0)) if records else None
    return results, None if evidence is None else evidence.draws


def _probability(
    comparison: Comparison, drawn: Sequence[tuple[MethodResult, float]]
) -> list[float | None]:
    """Return the probability that each result is on the frontier; None if it cannot be estimated."""
    results, draws = _draws(comparison)
    if draws is None:
        return [None] * len(drawn)
    own = draws[:, [results.index(result) for result, _ in drawn]]
    return [float(chance) for chance in frontier_probability(own, [value for _, value in drawn])]


def _dots(
    comparison: Comparison,
    results: Sequence[MethodResult],
    costs: Sequence[float],
    likely: Sequence[float | None],
    cost: Cost,
    size: Size,
    factor: float,
) -> list[Point]:
    least = 1.0 if size.stacked else _LEAST_SHOWN
    look = looks([result.method for result in comparison.results])
    return [
        Point(
            name=plain(result.method),
            x=value / factor,
            y=points(result.score_mean or 0.0),
            low=in_points(result.score).low,
            high=in_points(result.score).high,
            colour=look[result.method].colour,
            shape=look[result.method].shape,
            note=f" {show_chance(chance)}" if chance is not None and chance >= least else "",
            opacity=_FULLEST if chance is None else _FAINTEST + (_FULLEST - _FAINTEST) * chance,
            facts=(
                ("score", with_bounds(result.score)),
                (cost.words, cost.show(value)),
                ("on the frontier", "unknown" if chance is None else show_chance(chance)),
            ),
        )
        for result, value, chance in zip(results, costs, likely, strict=True)
    ]


def _table(
    results: Sequence[MethodResult],
    column: str,
    costs: Sequence[float],
    likely: Sequence[float | None],
    places: Sequence[bool],
) -> list[FigureRow]:
    return [
        score_columns(result)
        | {column: value, "on_observed_frontier": place, "frontier_probability": chance}
        for result, value, place, chance in zip(results, costs, places, likely, strict=True)
    ]


def _caption(
    comparison: Comparison,
    results: Sequence[MethodResult],
    dots: list[Point],
    cost: Cost,
    *,
    with_chances: bool,
) -> str:
    parts = ["Dashed: the frontier of the observed scores."]
    if with_chances:
        parts.append(f"Fainter: less likely that no method beats it in both score and {cost.words}.")
    if any(dot.note for dot in dots):
        parts.append("Number: that probability, unless it is small.")
    if any(dot.low is not None for dot in dots):
        parts.append(f"Bars: 95 % interval over {interval_over(comparison)}.")
    free: list[str] = []
    missing: list[str] = []
    for result in comparison.answers:
        if not any(result is drawn for drawn in results):
            nothing_paid = result.score_mean is not None and cost.measured(result) == 0
            (free if nothing_paid else missing).append(plain(result.method))
    if free:
        parts.append(f"Not drawn, because they cost nothing: {', '.join(free)}.")
    if missing:
        parts.append(
            f"Not drawn, because incomplete or without a comparable {cost.words}: {', '.join(missing)}."
        )
    return " ".join(parts) + tuned_note(comparison)
