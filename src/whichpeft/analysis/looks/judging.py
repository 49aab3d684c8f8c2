"""The verdicts of a comparison whose methods get seeds until they are decided, from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from whichpeft.analysis.comparable_groups import MethodRecords, Variant
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.families import TestedGap
from whichpeft.analysis.looks.path import Judged, Look, Standing, follow
from whichpeft.analysis.looks.spending import equivalence_level, look_level, spending
from whichpeft.analysis.method_facts import planned
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.relations import baseline_of, relate_scores
from whichpeft.analysis.statistics.gap import LEVEL, Levels, Verdict
from whichpeft.analysis.statistics.power import decided
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.verdicts import give_verdicts
from whichpeft.study import UntilDecided

FUTILE = 0.10
"""A method gets no more seeds if the last look would decide it with less than this probability."""

_JUDGED = (
    "gap_mean", "gap_low", "gap_high", "verdict_low", "verdict_high",
    "retention_percent", "p_value", "p_adjusted", "seed_degrees_of_freedom", "verdict", "proved_margin",
    "would_decide",
)  # fmt: skip
"""What a result keeps from the look that judged it."""


def judge_at_looks(
    results: Sequence[MethodResult],
    at: Mapping[Variant, int],
    scores: ScoresByExample,
    *,
    until: UntilDecided,
    margin: float,
) -> list[MethodResult]:
    """Return the results with verdicts from the looks, and with the seeds that each method is due.

    Parameters
    ----------
    results
        One result per method, related to the baseline on all seeds that there are.
    at
        The baseline's place by variant.
    scores
        What the trials scored on each test example.
    until
        When to look.
    margin
        The gap, as a fraction, within which methods count as equivalent.
    """
    found = list(results)
    for variant in dict.fromkeys(result.variant for result in results):
        base = baseline_of(variant, at)
        if base is None:
            continue
        family = [i for i, own in enumerate(results) if own.variant == variant and i not in at.values()]
        related = [results[i] for i in (*family, base)]
        standing = _family_standing(related, {variant: len(family)}, scores, until=until, margin=margin)
        for place, mine in standing.items():
            found[family[place]] = _as_judged(results[family[place]], mine, until)
        due = max((mine.due for mine in standing.values()), default=0)
        used = max((mine.seeds for mine in standing.values()), default=0)
        if max(due, used) > len(found[base].planned_seeds):
            found[base] = planned(found[base], max(due, used))
    return found


def _family_standing(
    results: Sequence[MethodResult],
    at: Mapping[Variant, int],
    scores: ScoresByExample,
    *,
    until: UntilDecided,
    margin: float,
) -> dict[int, Standing[MethodResult]]:
    """Follow the methods of a variant, with their baseline in the last place."""
    base = len(results) - 1

    def ready(method: int, seeds: int) -> bool:
        return all(set(range(seeds)) <= set(results[i].records.finals) for i in (method, base))

    def judge(
        counts: Mapping[int, int], settled: Mapping[int, Verdict], look: Look
    ) -> tuple[float, dict[int, Judged[MethodResult]]]:
        now = look.seeds[-1]
        cut = [
            replace(
                result,
                records=_first(result.records, counts.get(i, now)),
                verdict="baseline" if i == base else settled.get(i),
            )
            for i, result in enumerate(results)
        ]
        related, gaps, _ = relate_scores(cut, at, scores, error=look.spend)
        level = family_level([gap.effects for i, gap in enumerate(gaps) if gap and i in counts], look)
        tested = [None if gap is None else _at_look(gap, level, look) for gap in gaps]
        judged = give_verdicts(related, tested, margin=margin, error=level)
        return level, {
            i: Judged(
                result=judged[i],
                verdict=judged[i].verdict,
                futile=any(_has_failed(cut[j].records, now) for j in (i, base))
                or _is_futile(tested[i], until, margin=margin, spend=look.spend),
            )
            for i in counts
        }

    return follow(until.looks, range(base), ready=ready, judge=judge)


def _at_look(gap: TestedGap, level: float, look: Look) -> TestedGap:
    """Return a gap with the levels of its tests at a look whose family is tested at a level."""
    equivalence = look.spend
    if gap.effects.has_error_estimate:
        rng = np.random.default_rng(0)
        equivalence = equivalence_level(gap.effects, look.seeds, look.spends, rng=rng)
    return replace(gap, level=gap.level * level / look.spend, equivalence=equivalence)


def family_level(gaps: Sequence[VarianceComponents], look: Look) -> float:
    """Return the level that a family may be tested at; the same records give the same."""
    known = [gap for gap in gaps if gap.has_error_estimate]
    return look_level(known, look.seeds, look.earlier, look.spend, rng=np.random.default_rng(0))


def _is_futile(gap: TestedGap | None, until: UntilDecided, *, margin: float, spend: float) -> bool:
    """Return whether the last look would hardly decide, by the estimates of a look."""
    if gap is None or not gap.effects.has_error_estimate:
        return False
    levels = Levels(gap.level, gap.equivalence)
    chance = last_chance(gap.effects, until.looks, margin=margin, levels=levels, spend=spend)
    return chance < FUTILE


def last_chance(
    effects: VarianceComponents, looks: Sequence[int], *, margin: float, levels: Levels, spend: float
) -> float:
    """Return the probability that the last look decides, if the estimates are true.

    Parameters
    ----------
    effects
        Variance components of a gap at some look.
    looks
        Number of seeds at each look.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    levels
        Levels of the tests of the gap at that look.
    spend
        What that look may spend.
    """
    last = spending(looks)[-1]
    each, equivalence = (min(LEVEL, level * last / spend) for level in levels)
    return decided(
        effects, looks[-1], effects.examples, margin=margin, level=each, equivalence=equivalence
    )


def _first(records: MethodRecords, seeds: int) -> MethodRecords:
    """Return the records without the final trials beyond the first seeds."""
    return replace(
        records, finals={seed: final for seed, final in records.finals.items() if seed < seeds}
    )


def _has_failed(records: MethodRecords, seeds: int) -> bool:
    done = {record.trial.seed for record in records.completed}
    return not set(range(seeds)) <= done


def _as_judged(
    result: MethodResult, standing: Standing[MethodResult], until: UntilDecided
) -> MethodResult:
    """Return a result with what its last look says, and the seeds that it is due."""
    if standing.judged is not None:
        judged = standing.judged.result
        result = replace(result, **{name: getattr(judged, name) for name in _JUDGED})
    elif result.gap_mean is not None:
        waits = f"the first look, at {until.start} seeds, is not complete"
        result = replace(result, verdict="undecided", would_decide=waits)
    if standing.state == "decided":
        result = replace(result, decided_with_seeds=standing.seeds)
    return planned(result, max(standing.seeds, standing.due))
