"""How well the first rung foretold the end of training, from the methods that were trained to it.

All methods that continued are known, and of the dropped ones those that were audited. Each counts as
many times as methods it stands for: one over its probability of being trained to the end
(Horvitz and Thompson 1952). Without the weights, the few that continued would hide what the rung knew
about the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.race.audit import dropped_methods
from whichpeft.analysis.race.finalists import arms_of
from whichpeft.analysis.race.ranking import has_score, rank_scored
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval
from whichpeft.metrics.metric import Floats
from whichpeft.records.race import Race

_FEWEST = 4  # methods; with fewer there is no interval
_SPEARMAN = 1.06  # variance of a rank correlation's Fisher transform (Fieller et al. 1957)


@dataclass(frozen=True, slots=True)
class RungCorrelation:
    """Rank correlation over methods between the first rung and the end of training."""

    interval: Interval
    """The correlation with its 95 % interval; all None if fewer than two methods differ."""

    methods: int
    """Number of methods that it was computed from."""

    step: int
    """Optimiser steps of the first rung."""


def rung_correlation(race: Race, scores: RungScores, rules: RaceRules) -> RungCorrelation:
    """Return how well the first rung ranked methods, for all methods that it ranked.

    Each method is represented by the arm that ranked best there, among those trained to the end.
    """
    first, end = race.rungs[0], race.rungs[-1]
    dropped = {one.arm.method: one for one in dropped_methods(race, scores, rules)}
    audited = {arm for stage in race.stages if stage.name == "audit" for arm in stage.arms}
    screened = {arm for stage in race.stages if stage.name == "screen" for arm in stage.arms}
    finished = [
        one for one in dropped.values() if one.arm in audited and has_score(one.arm, end, scores)
    ]
    found: dict[str, tuple[float, float, float]] = {}
    for place, arm in enumerate(rank_scored(arms_of(race), first, scores)):
        own = dropped.get(arm.method)
        if not has_score(arm, end, scores) or arm not in (screened if own is None else audited):
            continue
        # If the audit was cut off, it is still a random part of each kind.
        alike = [one.stuck == own.stuck for one in finished] if own else []
        kind = [one.stuck == own.stuck for one in dropped.values()] if own else []
        weight = sum(kind) / sum(alike) if own else 1.0
        found.setdefault(arm.method, (-float(place), scores[arm, end].score or 0.0, weight))
    if not found:
        return RungCorrelation(Interval(None, None, None), 0, first)
    at_rung, at_end, weights = np.array(list(found.values())).T
    return RungCorrelation(weighted_spearman(at_rung, at_end, weights), len(found), first)


def weighted_spearman(one: Floats, other: Floats, weights: Floats) -> Interval:
    """Return the rank correlation of two variables with its 95 % interval.

    Parameters
    ----------
    one, other
        Shape (n,).
    weights
        How many of the population each value stands for, shape (n,).
    """
    from scipy.stats import norm

    ranks = [_weighted_ranks(values, weights) for values in (one, other)]
    centred = [values - np.average(values, weights=weights) for values in ranks]
    square = math.prod(float(np.average(values**2, weights=weights)) for values in centred)
    if square <= 0:
        return Interval(None, None, None)
    value = float(np.average(centred[0] * centred[1], weights=weights)) / math.sqrt(square)
    effective = weights.sum() ** 2 / (weights**2).sum()
    if effective < _FEWEST:
        return Interval(value, None, None)
    half = norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt(_SPEARMAN / (effective - 3))
    middle = math.atanh(min(max(value, -0.999), 0.999))
    return Interval(value, math.tanh(middle - half), math.tanh(middle + half))


def _weighted_ranks(values: Floats, weights: Floats) -> Floats:
    below = (values[:, None] > values[None]) @ weights
    equal = (values[:, None] == values[None]) @ weights
    found: Floats = below + equal / 2
    return found
