"""Whether methods are shown to beat chance, which is the score of the best constant prediction.

A method is shown to beat chance if the lower bound of a one-sided interval of its lead is above zero.
The level is 5 % over the number of methods (Bonferroni), so that in at most 5 % of studies in which all
methods guess any is shown to do better. Its lead is its score minus chance or, if a method of the
comparison is that constant prediction, its gap to it: the gap knows that another test set would change
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.families import judge_together
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.analysis.verdicts import by_seed, method_effects
from whichpeft.metrics.metric import Floats

_NOTHING = 1e-9  # leads below this are rounding errors
_SAME_SCORE = 1e-6


def confidence_of_leads(methods: int) -> float:
    """Return the level of the two-sided interval whose lower bound decides among so many methods."""
    return 1 - 2 * LEVEL / max(methods, 1)


def lead_over_chance(result: MethodResult, comparison: Comparison) -> Interval:
    """Return how far a method's score is above chance, as fractions.

    The lower bound is the one that decides (`confidence_of_leads`). It is None if the error cannot be
    estimated; all are None without a score, or if the metric has no chance level.
    """
    return _leads(comparison).get(result, Interval(None, None, None))


@lru_cache(maxsize=4)  # comparisons are equal only if they are the same object
def _leads(comparison: Comparison) -> dict[MethodResult, Interval]:
    """Return the lead of each result; those of a variant are judged together, as for verdicts."""
    chance, scores, results = comparison.chance, comparison.scores, comparison.results
    if chance is None:
        return {}
    confidence = confidence_of_leads(
        sum(r.is_answer and r.score_mean is not None and not r.trains_nothing for r in results)
    )
    leads = {
        result: _minus(own.interval(confidence), chance)
        for result in results
        if (own := method_effects(result.records, scores)) is not None
    }
    constant = _constant(comparison)
    for variant in dict.fromkeys(result.variant for result in results):
        together = {
            place: result
            for place, result in enumerate(results)
            if result.comparable_scores
            and (result.variant == variant or result is constant or result.verdict == "baseline")
        }
        records = {place: result.records for place, result in together.items()}
        at = next((place for place, result in together.items() if result is constant), None)
        judged = judge_together(records, at, scores)
        for place, result in together.items():
            if result.variant != variant:
                continue
            leads[result] = _minus(judged.scores[place].interval(confidence), chance)
            gap = judged.gaps.get(place)
            found = None if gap is None else gap.effects.interval(confidence)
            if found is not None and found.low is not None:
                leads[result] = found
    return leads


def _minus(score: Interval, chance: float) -> Interval:
    return Interval(*(None if value is None else value - chance for value in score))


def is_shown(lead: Interval) -> bool:
    """Return whether a lead shows that a method beats chance.

    If the error of the lead cannot be estimated, its mean decides. A lead that is not known because
    the metric has no chance level is no reason against a method.
    """
    known = lead.mean if lead.low is None else lead.low
    return known is None or known > _NOTHING


def lead_over_tasks(
    draws: Floats | None, mean: float, chances: Sequence[float | None], *, methods: int = 1
) -> Interval:
    """Return how far a mean score over tasks is above the mean of their chance levels.

    Parameters
    ----------
    draws
        Draws of the method's true mean score, shape (draws,); None if there are none.
    mean
        Its observed mean score.
    chances
        The chance level of each task; if one is None, the lead is not known.
    methods
        Number of methods that are compared.
    """
    known = [chance for chance in chances if chance is not None]
    if len(known) < len(chances):
        return Interval(None, None, None)
    level = float(np.mean(known))
    if draws is None:
        return Interval(mean - level, None, None)
    below = (1 - confidence_of_leads(methods)) / 2
    low, high = np.quantile(draws, [below, 1 - below])
    return Interval(mean - level, float(low) - level, float(high) - level)


def seeds_at_chance(result: MethodResult, comparison: Comparison) -> list[int]:
    """Return the seeds on which a method's score is not shown to beat chance by its test examples.

    If scores are not known by example, these are the seeds with a score of at most chance.
    """
    chance = comparison.chance
    if chance is None:
        return []
    found = []
    for record in result.records.completed:
        values = comparison.scores.of([record])
        score = by_seed(result.records).get(record.trial.seed)
        if values is not None:
            score = _lower_bound(values[0])
        if score is not None and score <= chance + _NOTHING:
            found.append(record.trial.seed)
    return found


def _lower_bound(values: Floats) -> float:
    """Return the one-sided 95 % lower bound of the mean of one trial's scores by example."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, 1 - LEVEL))
    return float(values.mean() - quantile * values.std(ddof=1) / np.sqrt(len(values)))


def _constant(comparison: Comparison) -> MethodResult | None:
    """Return the method that gives the constant prediction: it trains nothing and scores chance."""
    for result in comparison.answers:
        scores = by_seed(result.records).values()
        if result.trains_nothing and result.comparable_scores and scores:
            off = (abs(score - (comparison.chance or 0.0)) for score in scores)
            if max(off) < _SAME_SCORE:
                return result
    return None
