"""The methods that a verdict is given on together: those of one variant, and their baseline."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.statistics.together import MethodsTogether
from whichpeft.metrics.metric import Floats
from whichpeft.records.record import finite

_SEED = 0  # of the draws that p-values are adjusted with, so that a report repeats


@dataclass(frozen=True, kw_only=True, eq=False)
class TestedGap:
    """A method's gap to the baseline, tested together with those of the other methods."""

    __test__ = False  # not a test, although pytest goes by the name

    effects: VarianceComponents
    """Variance components of the gap."""

    p_adjusted: float | None
    """The p-value of no gap after correction for the number of methods; None if unknown."""

    level: float = LEVEL
    """Level at which the gap has to be tested among all of the family."""

    equivalence: float = LEVEL
    """Level of the test that the gap is within the margin; less at one look of several."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What the records of several methods say together; methods are named by their place."""

    scores: Mapping[int, VarianceComponents] = field(default_factory=dict)
    """Variance components of each method's score."""

    gaps: Mapping[int, TestedGap] = field(default_factory=dict)
    """Each method's gap to the baseline; without the baseline and methods that share no seed with it."""


def judge_together(
    methods: Mapping[int, MethodRecords],
    baseline: int | None,
    scores: ScoresByExample,
    *,
    error: float = LEVEL,
    settled: Set[int] = frozenset(),
) -> Judged:
    """Judge methods and their baseline together.

    Scores are compared by example if they are known so for a method and for the baseline, and else by
    seed. Both kinds share the correction of p-values by their number of methods.

    Parameters
    ----------
    methods
        Records by place, of the baseline too; all scores have to be comparable.
    baseline
        The baseline's place; None if there is none, and then there are no gaps.
    scores
        What the trials scored on each test example.
    error
        Probability with which any of the tests may be wrong.
    settled
        Places of methods that are shown to differ already. They say how much seeds vary, and count in no
        correction.
    """
    by_example, by_seed = _by_example(methods, scores), {}
    for place, records in methods.items():
        if place not in by_example:
            by_seed[place] = _by_seed(records)
    means = {**_means(methods, by_example), **_means(methods, by_seed)}
    if baseline is None:
        return Judged(scores=means)
    if baseline not in by_example:
        families = [{place: _by_seed(records) for place, records in methods.items()}]
    else:
        families = [by_example, {baseline: _by_seed(methods[baseline]), **by_seed}]
    gaps = {}
    tests = len(set(methods) - settled - {baseline})
    for family in families:
        if len(family) < 2:
            continue
        places = list(family)
        known = [place in settled for place in places]
        found = _together(methods, family).against(
            places.index(baseline), rng=_rng(), level=error, settled=known
        )
        share = len(set(family) - settled - {baseline}) / max(tests, 1)
        for place, effects, p in zip(places, found.gaps, found.p_adjusted, strict=True):
            if effects is not None:
                adjusted = None if p is None else min(1.0, p / share)
                gaps[place] = TestedGap(effects=effects, p_adjusted=adjusted, level=found.level * share)
    return Judged(scores=means, gaps=gaps)


def _together(methods: Mapping[int, MethodRecords], scores: Mapping[int, Floats]) -> MethodsTogether:
    seeds = [[record.trial.seed for record in methods[place].completed] for place in scores]
    return MethodsTogether(list(scores.values()), seeds)


def _means(
    methods: Mapping[int, MethodRecords], scores: Mapping[int, Floats]
) -> dict[int, VarianceComponents]:
    together = _together(methods, scores)
    return {place: together.mean(at) for at, place in enumerate(scores)}


def _by_example(methods: Mapping[int, MethodRecords], scores: ScoresByExample) -> dict[int, Floats]:
    found = {place: scores.of(records.completed) for place, records in methods.items()}
    return {place: values for place, values in found.items() if values is not None}


def _by_seed(records: MethodRecords) -> Floats:
    """Return one score per seed, shape (seeds, 1)."""
    scores = [finite(record.value("score", "test")) for record in records.completed]
    return np.array([[np.nan if score is None else score] for score in scores])


def _rng() -> np.random.Generator:
    return np.random.default_rng(_SEED)
