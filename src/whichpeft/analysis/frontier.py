"""The frontier: methods that no other one matches in score for as little cost.

Observed scores alone make a frontier of whatever was lucky; `frontier_probability` says how sure a
method's place is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whichpeft.analysis.rows import Row
from whichpeft.metrics.metric import Floats

FRONTIER_COSTS = ("train_seconds", "trainable_parameters", "peak_memory_bytes")
"""What a method is not beaten in all at once where its row says that it is on the frontier."""

TIE = 1e-9
"""Scores that differ by less are equal: those of methods that predict alike are drawn so."""


def cost_of(row: Row, key: str) -> float | None:
    """Return a cost of a row, None where it is not known.

    What trains nothing takes no time and no memory to train, so nothing was there to be measured.
    """
    if row["trainable_parameters"] == 0 and key in ("train_seconds", "peak_memory_bytes"):
        return 0.0
    return None if row[key] is None else float(row[key])


def on_frontier(scores: ArrayLike, costs: ArrayLike) -> NDArray[np.bool_]:
    """Return which methods no other one beats, shape (methods,).

    scores: shape (methods,), higher is better; costs: shape (methods, costs), lower is better. One
    method beats another where it is nowhere worse, and better in the score or in some cost.
    """
    score, cost = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    as_cheap = (cost[:, None] <= cost[None, :]).all(axis=2)
    cheaper = as_cheap & (cost[:, None] < cost[None, :]).any(axis=2)
    as_good, better = score[:, None] >= score[None, :], score[:, None] > score[None, :]
    beats = (as_cheap & better) | (cheaper & as_good)
    return np.logical_not(np.atleast_1d(beats.any(axis=0)))


def frontier_probability(draws: ArrayLike, costs: ArrayLike) -> Floats:
    """Return how probable it is that each method is on the frontier of score against one cost.

    draws: of the true scores, shape (draws, methods); costs: shape (methods,), taken as they are,
    since a profile repeats far better than a score.
    """
    score, cost = np.asarray(draws, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    count = score.shape[1]
    found = np.empty(count)
    for i in range(count):
        others = np.arange(count) != i
        same = score[:, others & (cost == cost[i])].max(axis=1, initial=-np.inf)
        less = score[:, others & (cost < cost[i])].max(axis=1, initial=-np.inf)
        found[i] = np.mean((score[:, i] >= same - TIE) & (score[:, i] > less + TIE))
    return found


def mark_frontier(rows: Sequence[Row], alike: Sequence[bool]) -> None:
    """Fill in `on_frontier` of the rows of one comparison, by observed scores and `FRONTIER_COSTS`.

    alike: which rows' scores and costs were taken in settings that can be compared; the others, and
    those that are not completed or lack a cost, stay unknown. Defaults compete with each other, and
    so do tuned rows; a method that was not tuned competes among both as it is.
    """
    known = [
        row
        for row, fits in zip(rows, alike, strict=True)
        if fits
        and row["status"] == "completed"
        and all(cost_of(row, key) is not None for key in FRONTIER_COSTS)
    ]
    tuned = {row["method"] for row in rows if row["variant"] == "tuned"}
    defaults = [row for row in known if row["variant"] != "tuned"]
    answers = [row for row in known if row["variant"] == "tuned" or row["method"] not in tuned]
    # Last, so that a method that was not tuned is judged among the tuned ones.
    for field in (defaults, answers):
        if field:
            costs = [[cost_of(row, key) for key in FRONTIER_COSTS] for row in field]
            places = on_frontier([row["score_mean"] for row in field], np.asarray(costs, np.float64))
            for row, place in zip(field, places, strict=True):
                row["on_frontier"] = bool(place)
