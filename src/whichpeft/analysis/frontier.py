"""The frontier of methods that no other method beats in both score and cost.

A frontier of observed scores favours lucky methods; `frontier_probability` estimates how certain a
method's place on it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whichpeft.analysis.method_result import MethodResult
from whichpeft.metrics.metric import Floats

TIE = 1e-9
"""Scores that differ by less are equal, as draws for methods with equal predictions are."""


def frontier_costs(result: MethodResult) -> tuple[float | None, float | None, float | None]:
    """Return training time, trainable parameters and peak memory, which `on_frontier` is about.

    A method that trains nothing takes no time and no memory to train, although neither was measured.
    """
    if result.trains_nothing:
        return 0.0, 0.0, 0.0
    return result.train_seconds, result.trainable_parameters, result.peak_memory_bytes


def on_frontier(scores: ArrayLike, costs: ArrayLike) -> NDArray[np.bool_]:
    """Return which methods no other method beats.

    One method beats another if it is worse in nothing, and better in the score or in a cost.

    Parameters
    ----------
    scores
        Shape (methods,), higher is better.
    costs
        Shape (methods, costs), lower is better.

    Returns
    -------
    numpy.ndarray
        Booleans of shape (methods,).
    """
    score, cost = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    as_cheap = (cost[:, None] <= cost[None, :]).all(axis=2)
    cheaper = as_cheap & (cost[:, None] < cost[None, :]).any(axis=2)
    as_good, better = score[:, None] >= score[None, :], score[:, None] > score[None, :]
    beats = (as_cheap & better) | (cheaper & as_good)
    return np.logical_not(np.atleast_1d(beats.any(axis=0)))


def frontier_probability(draws: ArrayLike, costs: ArrayLike) -> Floats:
    """Return the probability that each method is on the frontier of score and one cost.

    Parameters
    ----------
    draws
        Draws of the true scores, shape (draws, methods).
    costs
        Shape (methods,). They count as exact, since a profile is far more repeatable than a score.

    Returns
    -------
    numpy.ndarray
        Probabilities of shape (methods,).
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


def mark_frontier(results: Sequence[MethodResult]) -> list[MethodResult]:
    """Return the results of one comparison with `on_frontier`, by observed scores and `frontier_costs`.

    It stays unknown for methods that are not completed, lack a cost, or whose scores or costs cannot
    be compared. Defaults compete with each other, and so do tuned methods; a method that was not
    tuned competes in both fields.
    """
    known = [
        result
        for result in results
        if result.comparable_scores
        and result.comparable_costs
        and result.status == "completed"
        and None not in frontier_costs(result)
    ]
    tuned = {result.method for result in results if result.variant == "tuned"}
    defaults = [result for result in known if result.variant != "tuned"]
    answers = [result for result in known if result.variant == "tuned" or result.method not in tuned]
    found: dict[int, bool] = {}
    # The tuned field comes last, so that a method that was not tuned is judged among the tuned ones.
    for field in (defaults, answers):
        if field:
            costs = np.asarray([frontier_costs(result) for result in field], np.float64)
            scores = np.asarray([result.score_mean for result in field], np.float64)
            places = on_frontier(scores, costs)
            found |= {id(result): bool(place) for result, place in zip(field, places, strict=True)}
    return [replace(result, on_frontier=found.get(id(result))) for result in results]
