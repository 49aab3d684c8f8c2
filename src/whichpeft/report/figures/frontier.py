"""Score against a choice of costs: the frontier, with each method's probability of being on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.analysis.choice.constraints import COSTS, Cost
from whichpeft.analysis.choice.evidence import gather
from whichpeft.analysis.frontier import frontier_probability, on_frontier
from whichpeft.metrics.metric import Floats
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import in_points, score_columns
from whichpeft.report.figures.scales import Axes, Point, cut_at
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.vega import FigureRow
from whichpeft.report.tables.notes import about, interval_over
from whichpeft.report.text import UNKNOWN, plain, tuned_note, with_bounds
from whichpeft.units import points, show_chance, show_percent, size_unit

_FAINTEST, _FULLEST = 0.55, 1.0
_LEAST_SHOWN = 0.05  # smaller probabilities would only clutter the figure
_WIDE = 30.0  # costs that differ by more are drawn on a log axis
# If all costs are above this share of the largest, an axis from 0 would compress them.
_CLOSE = 0.6
_USUAL = "time"

_GROUP = "cost"
_OUTLYING = "\N{DOWNWARDS ARROW}"

_AXES = {
    "time": "train time of one trial, s",
    "trainable": "trainable parameters",
    "memory": "peak memory of training",
    "adapter-size": "adapter on disk",
    "latency": "latency of one example, ms",
}


def frontiers(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return one figure of score and cost, with a view for each cost that two methods have.

    Without such a cost there is a view of the training time, if only to explain why it is empty.
    """
    drawn = {name: _drawn(comparison, cost) for name, cost in COSTS.items()}
    shown = [name for name in COSTS if len(drawn[name]) > 1] or [_USUAL]
    return {
        "frontier" if name == _USUAL else f"frontier-{name}": _frontier(
            comparison, size, name, COSTS[name], drawn[name]
        )
        for name in shown
    }


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
    title, label = f"Score and {cost.words}", cost.words
    if not drawn:
        why = f"no method has both a score and its {cost.words}"
        return empty_figure(why, size, title=title, about=about(comparison), group=_GROUP, label=label)
    results = [result for result, _ in drawn]
    costs = [value for _, value in drawn]
    placed = [i for i, result in enumerate(results) if _is_comparable(result)]
    likely = _probabilities(comparison, drawn, placed)
    places = _on_frontier(results, costs, placed)
    unit, factor = size_unit(max(costs)) if cost.key.endswith("_bytes") else ("", 1.0)
    dots = _dots(comparison, results, costs, likely, places, size, factor)
    axes = Axes(
        x_title=f"{_AXES[name]}{f', {unit}' if unit else ''}",
        y_title=f"{plain(comparison.metric or 'score')}, points",
        width=size.width,
        height=size.height,
        log_x=max(costs) > _WIDE * min(costs),
        zero_x=min(costs) < _CLOSE * max(costs),
        x_format="~s" if name == "trainable" else None,
    )
    stairs = sorted((dots[i].x, dots[i].y) for i in places)
    return make_figure(
        scatter(dots, axes, steps=stairs),
        title=title,
        about=about(comparison),
        caption=_caption(comparison, results, dots, cost, likely),
        rows=_table(results, cost.key, costs, likely, places),
        group=_GROUP,
        label=label,
    )


def _drawn(comparison: Comparison, cost: Cost) -> list[tuple[MethodResult, float]]:
    """Return the results with a score and a cost that is not zero, in the setting of the others."""
    scored = [result for result in comparison.answers if result.score_mean is not None]
    priced = [(result, cost.value(result)) for result in scored]
    return [(result, value) for result, value in priced if value]


def _is_comparable(result: MethodResult) -> bool:
    return result.status == "completed" and result.comparable_scores


@lru_cache(maxsize=2)
def _draws(comparison: Comparison) -> tuple[list[MethodResult], Floats | None]:
    """Return all results that can be compared, and draws of their true scores."""
    results = [result for result in comparison.answers if _is_comparable(result)]
    records = [result.records for result in results]
    evidence = gather(records, comparison.scores, rng=np.random.default_rng(0)) if records else None
    return results, None if evidence is None else evidence.draws


def _probabilities(
    comparison: Comparison, drawn: Sequence[tuple[MethodResult, float]], placed: Sequence[int]
) -> list[float | None]:
    """Return the probability that each result is on the frontier; None if it cannot be estimated."""
    found: list[float | None] = [None] * len(drawn)
    results, draws = _draws(comparison)
    if draws is not None and placed:
        own = draws[:, [results.index(drawn[i][0]) for i in placed]]
        chances = frontier_probability(own, [drawn[i][1] for i in placed])
        for i, chance in zip(placed, chances, strict=True):
            found[i] = float(chance)
    return found


def _on_frontier(
    results: Sequence[MethodResult], costs: Sequence[float], placed: Sequence[int]
) -> set[int]:
    """Return which of the comparable results are on the frontier of the observed scores."""
    if not placed:
        return set()
    best = on_frontier([results[i].score_mean or 0.0 for i in placed], [[costs[i]] for i in placed])
    return {i for i, on in zip(placed, best, strict=True) if on}


def _dots(
    comparison: Comparison,
    results: Sequence[MethodResult],
    costs: Sequence[float],
    likely: Sequence[float | None],
    places: set[int],
    size: Size,
    factor: float,
) -> list[Point]:
    # Narrow figures have no space for numbers after the names.
    least = 2.0 if size.stacked else _LEAST_SHOWN
    look = looks([result.method for result in comparison.results])
    named = _named(results, likely, places, size)
    scores = [points(result.score_mean or 0.0) for result in results]
    facts = _facts(comparison)
    top = max(scores)
    depth = cut_at([top - score for score in scores])
    dots = []
    for i, (result, value, chance) in enumerate(zip(results, costs, likely, strict=True)):
        below = depth is not None and scores[i] < top - depth
        note = f" {show_chance(chance)}" if chance is not None and chance >= least else ""
        dots.append(
            Point(
                name=plain(result.method),
                x=value / factor,
                y=top - depth if below and depth is not None else scores[i],
                low=None if below else in_points(result.score).low,
                high=None if below else in_points(result.score).high,
                colour=look[result.method].colour,
                shape=look[result.method].shape,
                note=f" {scores[i]:.1f} {_OUTLYING}" if below else note,
                opacity=_FULLEST if chance is None else _FAINTEST + (_FULLEST - _FAINTEST) * chance,
                facts=(
                    *((title, show(result)) for title, show in facts),
                    ("on the frontier", UNKNOWN if chance is None else show_chance(chance)),
                ),
                named=i in named or below,
                hollow=not _is_comparable(result),
            )
        )
    return dots


def _facts(comparison: Comparison) -> list[tuple[str, Callable[[MethodResult], str]]]:
    """Return what the tooltip says of each method, which is the same for every cost."""

    def of_cost(cost: Cost) -> Callable[[MethodResult], str]:
        def show(result: MethodResult) -> str:
            value = cost.measured(result)
            return UNKNOWN if value is None else cost.show(value)

        return show

    def share(result: MethodResult) -> str:
        return UNKNOWN if result.trainable_percent is None else show_percent(result.trainable_percent)

    measured = [
        (cost.title, of_cost(cost))
        for cost in COSTS.values()
        if any(cost.measured(result) for result in comparison.answers)
    ]
    return [("score", lambda result: with_bounds(result.score)), *measured, ("share of model", share)]


def _named(
    results: Sequence[MethodResult], likely: Sequence[float | None], places: set[int], size: Size
) -> set[int]:
    """Return the results to name, so that names have space: those likely on the frontier first."""
    most = max(12, size.width // 38)
    order = sorted(
        range(len(results)),
        key=lambda i: (
            results[i].verdict != "baseline",
            i not in places,
            -(likely[i] or 0.0),
            -(results[i].score_mean or 0.0),
        ),
    )
    return set(order[:most])


def _table(
    results: Sequence[MethodResult],
    column: str,
    costs: Sequence[float],
    likely: Sequence[float | None],
    places: set[int],
) -> list[FigureRow]:
    return [
        score_columns(result)
        | {column: value, "on_observed_frontier": i in places, "frontier_probability": chance}
        for i, (result, value, chance) in enumerate(zip(results, costs, likely, strict=True))
    ]


def _caption(
    comparison: Comparison,
    results: Sequence[MethodResult],
    dots: Sequence[Point],
    cost: Cost,
    likely: Sequence[float | None],
) -> str:
    parts = ["Dashed: the frontier of the observed scores."]
    if any(chance is not None for chance in likely):
        parts.append(f"Fainter: less likely that no method beats it in both score and {cost.words}.")
    if any(dot.note.endswith("%") for dot in dots):
        parts.append("Number: that probability, unless it is small.")
    if any(dot.low is not None for dot in dots):
        parts.append(f"Bars: 95 % interval over {interval_over(comparison)}.")
    if any(dot.note.endswith(_OUTLYING) for dot in dots):
        parts.append("Arrow: the score is below the axis.")
    if hollow := [dot.name for dot in dots if dot.hollow]:
        parts.append(
            f"Hollow, and not on the frontier, because incomplete or in another setting: "
            f"{', '.join(hollow)}."
        )
    if not all(dot.named for dot in dots):
        parts.append(f"Named: {sum(dot.named for dot in dots)} of {len(dots)} methods.")
    free: list[str] = []
    missing: list[str] = []
    for result in comparison.answers:
        if not any(result is drawn for drawn in results):
            name = plain(result.method)
            if result.score_mean is not None:
                name += f" {points(result.score_mean):.1f}"
            nothing_paid = result.score_mean is not None and cost.measured(result) == 0
            (free if nothing_paid else missing).append(name)
    if free:
        parts.append(f"Not drawn, because they cost nothing: {', '.join(free)}.")
    if missing:
        parts.append(
            f"Not drawn, because without a score or a comparable {cost.words}: {', '.join(missing)}."
        )
    return " ".join(parts) + tuned_note(comparison)
