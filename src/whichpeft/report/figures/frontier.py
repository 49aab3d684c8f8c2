"""The frontier of score against a cost, and how sure each method's place on it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whichpeft.analysis import Comparison, Row
from whichpeft.analysis.choice.constraints import COSTS, Cost
from whichpeft.analysis.choice.evidence import gather
from whichpeft.analysis.frontier import frontier_probability, on_frontier
from whichpeft.metrics.metric import Floats
from whichpeft.report.figures.figure import Figure, FigureRow, Size, titled, undrawn
from whichpeft.report.figures.figure_data import score_columns
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import looks
from whichpeft.report.tables.columns import about, interval_over, with_bounds
from whichpeft.report.text import plain, tuned_note
from whichpeft.units import points, show_chance, size_unit

_FAINTEST, _FULLEST = 0.35, 0.95
_LEAST_TOLD = 0.05  # numbers of methods that are hardly ever on it would only fill the figure
_WIDE = 30.0  # costs that differ by more are drawn on a log axis
_CLOSE = (
    0.6  # where all costs are larger shares of the largest, an axis from 0 would press them together
)
_USUAL = "time"  # the cost whose figure is there in any case, if only to say why it is empty

_AXES = {
    "time": "train time of one trial, s",
    "trainable": "trainable parameters",
    "memory": "peak memory of training",
    "adapter-size": "adapter on disk",
    "latency": "latency of one example, ms",
}


def frontiers(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return a figure for every cost that two methods were measured by; training time in any case."""
    found = {}
    for name, cost in COSTS.items():
        drawn = _drawn(comparison, cost)
        if name == _USUAL or len(drawn) > 1:
            stem = "frontier" if name == _USUAL else f"frontier-{name}"
            found[stem] = _frontier(comparison, size, name, cost, drawn)
    return found


def _frontier(
    comparison: Comparison, size: Size, name: str, cost: Cost, drawn: Sequence[tuple[int, float]]
) -> Figure:
    """Draw score against a cost with the observed frontier as a staircase.

    Beside each name stands the probability that no other method beats it in both; the less likely
    that is, the fainter it is drawn. drawn: places of rows, with their cost.
    """
    title, label = f"Frontier of score and {cost.words}", cost.words
    if not drawn:
        why = f"no method has both a score and its {cost.words}"
        return undrawn(why, size, title=title, about=about(comparison), group="frontier", label=label)
    rows = [comparison.rows[place] for place, _ in drawn]
    costs = [value for _, value in drawn]
    likely = _probability(comparison, drawn)
    places = on_frontier([row["score_mean"] for row in rows], [[value] for value in costs])
    unit, factor = size_unit(max(costs)) if cost.key.endswith("_bytes") else ("", 1.0)
    dots = _dots(comparison, rows, costs, likely, cost, size, factor)
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
    told = any(chance is not None for chance in likely)
    return titled(
        scatter(dots, axes, steps=stairs),
        size,
        title=title,
        about=about(comparison),
        caption=_caption(comparison, rows, dots, cost, told=told),
        rows=_table(rows, cost.key, costs, likely, [bool(place) for place in places]),
        group="frontier",
        label=label,
    )


def _drawn(comparison: Comparison, cost: Cost) -> list[tuple[int, float]]:
    """Return the places of the rows that can be compared in score and cost, and cost anything."""
    found = []
    for place in _comparable(comparison):
        value = cost.value(comparison.rows[place], alike=comparison.costs_alike[place])
        if value:
            found.append((place, value))
    return found


def _comparable(comparison: Comparison) -> list[int]:
    return [
        place
        for place, row in enumerate(comparison.rows)
        if any(row is answer for answer in comparison.answers)
        and row["status"] == "completed"
        and comparison.scores_alike[place]
    ]


@lru_cache(maxsize=2)
def _draws(comparison: Comparison) -> tuple[list[int], Floats | None]:
    """Return the places of all rows that can be compared, and draws of their true scores."""
    places = _comparable(comparison)
    kept = [comparison.records[place] for place in places]
    evidence = gather(kept, comparison.scores, rng=np.random.default_rng(0)) if kept else None
    return places, None if evidence is None else evidence.draws


def _probability(comparison: Comparison, drawn: Sequence[tuple[int, float]]) -> list[float | None]:
    """Return how probable each row is to be on the frontier; None where that cannot be told."""
    places, draws = _draws(comparison)
    if draws is None:
        return [None] * len(drawn)
    own = draws[:, [places.index(place) for place, _ in drawn]]
    return [float(chance) for chance in frontier_probability(own, [value for _, value in drawn])]


def _dots(
    comparison: Comparison,
    rows: Sequence[Row],
    costs: Sequence[float],
    likely: Sequence[float | None],
    cost: Cost,
    size: Size,
    factor: float,
) -> list[Point]:
    least = 1.0 if size.stacked else _LEAST_TOLD
    look = looks([row["method"] for row in comparison.rows])
    return [
        Point(
            name=plain(row["method"]),
            x=value / factor,
            y=points(row["score_mean"]),
            low=None if row["score_low"] is None else points(row["score_low"]),
            high=None if row["score_high"] is None else points(row["score_high"]),
            colour=look[row["method"]].colour,
            shape=look[row["method"]].shape,
            note=f" {show_chance(chance)}" if chance is not None and chance >= least else "",
            opacity=_FULLEST if chance is None else _FAINTEST + (_FULLEST - _FAINTEST) * chance,
            facts=(
                ("score", with_bounds(row, "score")),
                (cost.words, cost.show(value)),
                ("on the frontier", "cannot be told" if chance is None else show_chance(chance)),
            ),
        )
        for row, value, chance in zip(rows, costs, likely, strict=True)
    ]


def _table(
    rows: Sequence[Row],
    column: str,
    costs: Sequence[float],
    likely: Sequence[float | None],
    places: Sequence[bool],
) -> list[FigureRow]:
    return [
        score_columns(row)
        | {column: value, "on_observed_frontier": place, "frontier_probability": chance}
        for row, value, place, chance in zip(rows, costs, places, likely, strict=True)
    ]


def _caption(
    comparison: Comparison, rows: Sequence[Row], dots: list[Point], cost: Cost, *, told: bool
) -> str:
    parts = ["Dashed: the frontier of the observed scores."]
    if told:
        parts.append(f"Fainter: less likely that no method beats it in score and {cost.words}.")
    if any(dot.note for dot in dots):
        parts.append("Number: that probability, where it is not small.")
    if any(dot.low is not None for dot in dots):
        parts.append(f"Bars: 95 % interval over {interval_over(comparison)}.")
    free: list[str] = []
    missing: list[str] = []
    for row in comparison.answers:
        if not any(row is drawn for drawn in rows):
            nothing_paid = row["score_mean"] is not None and cost.value(row, alike=True) == 0
            (free if nothing_paid else missing).append(plain(row["method"]))
    if free:
        parts.append(f"Not drawn, since it costs nothing: {', '.join(free)}.")
    if missing:
        parts.append(
            f"Not drawn, since not completed or without a comparable {cost.words}: {', '.join(missing)}."
        )
    return " ".join(parts) + tuned_note(comparison)
