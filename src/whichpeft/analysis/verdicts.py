"""The verdicts of a comparison, from scores by test example if these are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.families import TestedGap
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.gap import LEVEL, Levels, gap_of, verdict_interval
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects, seed_effects
from whichpeft.metrics.bounds import bounds_of
from whichpeft.records.record import finite


def method_effects(records: MethodRecords, scores: ScoresByExample) -> VarianceComponents | None:
    """Estimate variance components of a method's scores, by seed alone if examples are unknown."""
    completed = records.completed
    if not completed:
        return None
    values = scores.of(completed)
    return seed_effects(list(by_seed(records).values())) if values is None else random_effects(values)


def score_interval(effects: VarianceComponents, metric: str | None) -> Interval:
    """Return a score with its interval, within what the metric can be; no bounds from two seeds."""
    if effects.too_few_seeds:
        return Interval(effects.mean, None, None)
    return effects.interval().within(*bounds_of(metric))


def by_seed(records: MethodRecords) -> dict[int, float]:
    """Return a method's test scores by seed."""
    return {
        record.trial.seed: score
        for record in records.completed
        if (score := finite(record.value("score", "test"))) is not None
    }


def give_verdicts(
    results: Sequence[MethodResult],
    gaps: Sequence[TestedGap | None],
    *,
    margin: float,
    error: float = LEVEL,
) -> list[MethodResult]:
    """Return the results with p-values, verdicts, proved margins and what would decide.

    All methods of a variant but the baseline are one family. A verdict takes the p-value adjusted
    within its family, so in at most 5 % of studies any verdict of better or worse in one family is
    wrong.

    Parameters
    ----------
    results
        One result per method. Those with a verdict are not tested: ``baseline``, and what an earlier
        look has decided.
    gaps
        Each result's gap to the baseline; None if there is no gap.
    margin
        The gap, as a fraction, within which methods count as equivalent.
    error
        Probability with which any verdict of better or worse may be wrong.
    """
    judged = list(results)
    for place, (result, tested) in enumerate(zip(results, gaps, strict=True)):
        if tested is None or result.verdict is not None:
            continue
        levels = Levels(error, tested.equivalence)
        gap = gap_of(
            tested.effects,
            margin=margin,
            p_adjusted=tested.p_adjusted,
            level=tested.level,
            levels=levels,
        )
        shown = verdict_interval(gap, levels)
        judged[place] = replace(
            result,
            verdict_low=shown.low,
            verdict_high=shown.high,
            p_value=gap.p_value,
            p_adjusted=gap.p_adjusted,
            proved_margin=gap.proved_margin,
            seed_degrees_of_freedom=gap.seed_degrees_of_freedom,
            verdict=gap.verdict,
            would_decide=None if gap.needed is None else gap.needed.sentence,
        )
    return judged
