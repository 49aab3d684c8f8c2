"""The level of each test that a choice from the finals of a race is proved by.

A choice is wrong if it is more than the margin below the best finalist. Several finalists may be that
far below, the cheapest that passes is chosen, and there are several looks. With tests at 5 % one of six
methods at the edge of the margin is wrongly chosen in 18 % of races. So the level is the one at which
any method beyond the margin is proved at any look in less than 5 % of races.

After a share t of the seeds, ``3 % * t**0.7`` may be spent. That is more at the first look than for
verdicts (`whichpeft.analysis.looks.spending`), since the time is often over then.

The level depends on how many methods are at the edge. Fewer are fewer chances to err; but a method has
to be proved against all others, and each one more makes that harder. The least level for any number is
taken. It is between the level of one test and that of Bonferroni, and the less precise the scores are,
the more it is above the latter. A method that is shown to be beyond the margin has no chance to be
proved, so it does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.choice.luck import parts_of_gaps
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.looks.spending import spending
from whichpeft.analysis.race.finals_so_far import FinalsSoFar
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.metrics.metric import Floats

ERROR = 0.03
"""Probability of a wrong proof in a race that the levels are computed for. With answers that are right
or wrong and seeds with heavy tails, levels for 4 % were wrong in 4.7 % of 1,000 races."""

POWER = 0.7
"""Of the share of the seeds, in what is spent."""

DROP = 0.01
"""Level at which a finalist is shown to be more than the margin below another."""

_DRAWS = 10_000


def at_last_look(records: MethodRecords, finals: FinalsSoFar | None) -> MethodRecords:
    """Return the records without final trials after the last complete look."""
    if finals is None or not finals.looks:
        return records
    seeds = finals.seeds[records.method]
    kept = {seed: final for seed, final in records.finals.items() if seed < seeds}
    return replace(records, finals=kept)


def in_the_running(evidence: TrialEvidence, competing: Sequence[int], margin: float) -> list[int]:
    """Return the methods that are not shown to be more than the margin below another.

    Parameters
    ----------
    evidence
        The scores at a look.
    competing
        Places of the methods that a choice is proved against.
    margin
        A fraction.
    """

    def is_below(method: int) -> bool:
        bounds = (
            evidence.gap(method, other, 1 - 2 * DROP).high
            for other in competing
            if evidence.effects(method, other).mean < -margin and evidence.proves(method, other)
        )
        return any(bound is not None and bound < -margin for bound in bounds)

    return [method for method in competing if not is_below(method)]


def level_of_finals(
    evidence: TrialEvidence, competing: Sequence[int], finals: FinalsSoFar, margin: float
) -> float:
    """Return the level of each test at the last complete look; 0 before the first.

    Parameters
    ----------
    evidence
        The scores at that look.
    competing
        Places of the methods that a choice is proved against.
    finals
        The looks that are complete.
    margin
        The margin of the choice, a fraction.
    """
    if not finals.looks:
        return 0.0
    spends = spending(finals.planned, ERROR, power=POWER)[: len(finals.looks)]
    running = in_the_running(evidence, competing, margin)
    if len(running) < 2:
        return spends[-1]
    if evidence.draws is None:
        return spends[-1] / (len(running) - 1)
    running.sort(key=lambda method: -evidence.means[method])
    errors = _errors(evidence, running, finals.looks)
    return level_from_errors(errors, spends, margin=margin)


def _errors(evidence: TrialEvidence, methods: Sequence[int], looks: Sequence[int]) -> Floats:
    """Draw the errors of scores at each look, shape (looks, methods, draws).

    At an earlier look the mean over fewer seeds adds an error of its own to that of the last look.
    """
    assert evidence.draws is not None
    last = (evidence.draws - evidence.means)[:_DRAWS, list(methods)].T
    of_seed = np.sqrt(_seed_variances(evidence, methods))[:, None]
    rng = np.random.default_rng(0)
    found = [last]
    for fewer, more in reversed(list(pairwise(looks))):
        added = np.sqrt(1 / fewer - 1 / more) * of_seed * rng.standard_normal(last.shape)
        found.insert(0, found[0] + added)
    return np.stack(found)


def _seed_variances(evidence: TrialEvidence, methods: Sequence[int]) -> Floats:
    """Return each method's variance between seeds, from those of the gaps."""
    gaps = np.zeros((len(methods), len(methods)))
    for row, one in enumerate(methods):
        for column, other in enumerate(methods[:row]):
            effects = evidence.effects(one, other)
            gaps[row, column] = gaps[column, row] = effects.seed_part * effects.seeds
    return parts_of_gaps(gaps)


def level_from_errors(errors: Floats, spends: Sequence[float], *, margin: float) -> float:
    """Return the level at the last look, the least over the numbers of methods at the edge.

    The first method is taken as the best. `errors` has the shape (looks, methods, draws).
    """
    silent = np.ones(errors.shape[1:], dtype=bool)[1:]
    level = LEVEL
    for own, spend in zip(errors, spends, strict=True):
        lowest = _lowest_p_values(own, margin)
        level = min(
            LEVEL,
            *(_level_of_new(p[quiet], spend * len(p)) for p, quiet in zip(lowest, silent, strict=True)),
        )
        silent &= lowest > level
    return level


def _lowest_p_values(errors: Floats, margin: float) -> Floats:
    """Return by draw the lowest p-value of a method at the edge, if one is, two are, and so on.

    The shape is (methods - 1, draws). P-values above `LEVEL` are 1.
    """
    methods, draws = errors.shape
    found = np.ones((methods - 1, draws))
    for one in range(1, methods):
        highest = _p_values(errors[one] - errors[0], np.arange(draws))
        at = np.flatnonzero(highest <= LEVEL)
        highest = highest[at]
        among = [
            _p_values(errors[one] - errors[other], at, margin) if other != one else 0.0
            for other in range(1, methods)
        ]
        for count in range(1, methods):
            highest = np.maximum(highest, among[count - 1])
            if count >= one:
                found[count - 1, at] = np.minimum(found[count - 1, at], highest)
    return found


def _p_values(errors: Floats, at: NDArray[np.intp], added: float = 0.0) -> Floats:
    """Return the share of errors that are larger than those of some draws with a gap added."""
    found: Floats = 1 - np.searchsorted(np.sort(errors), errors[at] + added) / len(errors)
    return found


def _level_of_new(p_values: Floats, errors: float) -> float:
    """Return the level at which that number of draws err that did not before."""
    place = int(errors)
    return float(np.partition(p_values, place)[place]) if place < len(p_values) else LEVEL
