"""The frontier of score against training time, and how sure each method's place on it is."""

from __future__ import annotations

import numpy as np

from whichpeft.analysis import Comparison, Row
from whichpeft.analysis.evidence import gather
from whichpeft.analysis.frontier import cost_of, frontier_probability, on_frontier
from whichpeft.report.columns import about, interval_over, with_bounds
from whichpeft.report.figure import Figure, Size, titled
from whichpeft.report.scales import Axes, Point
from whichpeft.report.scatter import nothing, scatter
from whichpeft.report.style import colours
from whichpeft.report.text import plain
from whichpeft.units import points, show_chance, show_seconds

_COST = "train_seconds"
_FAINTEST, _FULLEST = 0.25, 0.95
_LEAST_TOLD = 0.05  # numbers of methods that are hardly ever on it would only fill the figure
_WIDE = 30.0  # times that differ by more are drawn on a log axis


def frontier(comparison: Comparison, size: Size) -> Figure:
    """Draw score against training time with the observed frontier as a staircase.

    Beside each name stands the probability that no other method beats it in both; the less likely
    that is, the fainter it is drawn.
    """
    rows = _drawn(comparison)
    title = "Frontier of score and training time"
    if not rows:
        chart = nothing("no method has both a score and a training time", size.whole_width)
        return titled(chart, size, title=title, about=about(comparison), caption="")
    times = [float(row[_COST]) for row in rows]
    likely = _probability(comparison, rows)
    least = 1.0 if size.stacked else _LEAST_TOLD
    colour = colours([row["method"] for row in comparison.rows])
    dots = [
        Point(
            name=plain(row["method"]),
            x=time,
            y=points(row["score_mean"]),
            low=None if row["score_low"] is None else points(row["score_low"]),
            high=None if row["score_high"] is None else points(row["score_high"]),
            colour=colour[row["method"]],
            note=f" {show_chance(chance)}" if chance is not None and chance >= least else "",
            opacity=_FULLEST if chance is None else _FAINTEST + (_FULLEST - _FAINTEST) * chance,
            facts=(
                ("score", with_bounds(row, "score")),
                ("train time", show_seconds(time)),
                ("on the frontier", "cannot be told" if chance is None else show_chance(chance)),
            ),
        )
        for row, time, chance in zip(rows, times, likely, strict=True)
    ]
    axes = Axes(
        x_title="train time of one trial, s",
        y_title=f"{plain(comparison.metric or 'score')}, points",
        width=size.width,
        height=size.height,
        log_x=max(times) > _WIDE * min(times),
        zero_x=True,
    )
    chart = scatter(dots, axes, steps=_stairs(dots))
    caption = _caption(comparison, dots, told=any(chance is not None for chance in likely))
    return titled(chart, size, title=title, about=about(comparison), caption=caption)


def _drawn(comparison: Comparison) -> list[Row]:
    """Return the rows that can be compared in score and time, and take any time at all."""
    return [
        row
        for place, row in enumerate(comparison.rows)
        if any(row is answer for answer in comparison.answers)
        and row["status"] == "completed"
        and comparison.scores_alike[place]
        and comparison.costs_alike[place]
        and (cost_of(row, _COST) or 0) > 0
    ]


def _probability(comparison: Comparison, rows: list[Row]) -> list[float | None]:
    """Return how probable each row is to be on the frontier; None where that cannot be told."""
    places = [next(i for i, other in enumerate(comparison.rows) if other is row) for row in rows]
    kept = [comparison.records[place] for place in places]
    evidence = gather(kept, comparison.scores, rng=np.random.default_rng(0))
    if evidence is None or evidence.draws is None:
        return [None] * len(rows)
    found = frontier_probability(evidence.draws, [row[_COST] for row in rows])
    return [float(chance) for chance in found]


def _stairs(dots: list[Point]) -> list[tuple[float, float]]:
    places = on_frontier([dot.y for dot in dots], [[dot.x] for dot in dots])
    return sorted((dot.x, dot.y) for dot, place in zip(dots, places, strict=True) if place)


def _caption(comparison: Comparison, dots: list[Point], *, told: bool) -> str:
    parts = ["Dashed: the frontier of the observed scores."]
    if told:
        parts.append("Fainter: less likely that no method beats it in score and time.")
    if any(dot.note for dot in dots):
        parts.append("Number: that probability, where it is not small.")
    if any(dot.low is not None for dot in dots):
        parts.append(f"Bars: 95 % interval over {interval_over(comparison)}.")
    names = {dot.name for dot in dots}
    left_out = [plain(row["method"]) for row in comparison.answers if plain(row["method"]) not in names]
    if left_out:
        parts.append(f"Not drawn, since not completed or without a time: {', '.join(left_out)}.")
    return " ".join(parts)
