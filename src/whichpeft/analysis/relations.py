"""Relate the results of one comparison to its baseline, within one setting."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from whichpeft.analysis.comparable_groups import ComparableGroup, Variant, same_method
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.families import TestedGap, judge_together
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.intervals import ratio, saving
from whichpeft.analysis.verdicts import by_seed, score_interval
from whichpeft.records.comparability import Kind, cost_kind, differences, kinds_of, reference_kind
from whichpeft.records.other_work import busy_note
from whichpeft.study import Study


def baseline_places(study: Study, group: ComparableGroup) -> dict[Variant, int]:
    """Return the baseline's place by variant."""
    found: dict[Variant, int] = {}
    for i, records in enumerate(group.methods):
        trial = records.trial
        if records.method == study.baseline or (
            trial is not None and same_method(study.baseline, trial)
        ):
            found.setdefault(records.variant, i)
    return found


def relate_scores(
    results: Sequence[MethodResult],
    at: Mapping[Variant, int],
    scores: ScoresByExample,
    *,
    error: float = LEVEL,
) -> tuple[list[MethodResult], list[TestedGap | None], list[str]]:
    """Add interval, gap, retention and normalised score to the results whose scores can be compared.

    Returns the results, each one's gap as tested with the others of its variant, and notes on those
    that cannot be compared. `at` has the baseline's place by variant, and `error` is what the tests of a
    variant may make together. A result that has a verdict is not tested again.
    """
    kinds = [kinds_of(result.records.completed, scores=True) for result in results]
    own = [kind for place in at.values() for kind in kinds[place]]
    reference = reference_kind(own, [kind for found in kinds for kind in found])
    gaps: list[TestedGap | None] = [None] * len(results)
    if reference is None:
        return list(results), gaps, []
    comparable = [found == [reference] for found in kinds]
    best = max(
        (
            result.score_mean
            for result, fits in zip(results, comparable, strict=True)
            if fits and result.score_mean is not None
        ),
        default=None,
    )
    related = list(results)
    for variant in dict.fromkeys(result.variant for result in results):
        place = baseline_of(variant, at)
        base = place if place is not None and comparable[place] else None
        family = [i for i, r in enumerate(results) if r.variant == variant and comparable[i]]
        members = sorted({*family, *([] if base is None else [base])})
        settled = {i for i in family if results[i].verdict is not None}
        judged = judge_together(
            {i: results[i].records for i in members}, base, scores, error=error, settled=settled
        )
        for i in family:
            gaps[i] = judged.gaps.get(i)
            _, low, high = score_interval(judged.scores[i], results[i].metric)
            result = replace(
                results[i],
                comparable_scores=True,
                score_low=low,
                score_high=high,
                normalised_score=ratio(results[i].score_mean, best),
            )
            related[i] = result if base is None else _relate(result, gaps[i], results[base])
    notes = [
        f"scores of {result.method} are not compared with the others: {_differing(found, reference)}"
        for result, found, fits in zip(results, kinds, comparable, strict=True)
        if found and not fits
    ]
    return related, gaps, notes


def _relate(result: MethodResult, gap: TestedGap | None, baseline: MethodResult) -> MethodResult:
    """Add gap and retention, from scores by seed."""
    if result.records is baseline.records:  # its gap to itself is known without error
        result = replace(
            result, gap_mean=0.0, gap_low=0.0, gap_high=0.0, verdict_low=0.0, verdict_high=0.0
        )
    elif gap is not None:
        mean, low, high = gap.effects.interval()
        result = replace(result, gap_mean=mean, gap_low=low, gap_high=high)
    own, base = by_seed(result.records), by_seed(baseline.records)
    shares = [ratio(own[seed], base[seed]) for seed in own if seed in base]
    known = [share for share in shares if share is not None]
    if known and len(known) == len(shares):
        result = replace(result, retention_percent=100 * statistics.fmean(known))
    return result


def relate_costs(
    results: Sequence[MethodResult], at: Mapping[Variant, int]
) -> tuple[list[MethodResult], list[str]]:
    """Add savings and speed-ups to the results whose profiles can be compared.

    Returns the results, and notes on those that cannot be compared or were timed beside other work.
    `at` has the baseline's place by variant.
    """
    costs = [result.records.cost for result in results]
    kinds = [None if cost is None else cost_kind(cost.setting) for cost in costs]
    own = [kind for place in at.values() if (kind := kinds[place]) is not None]
    reference = reference_kind(own, [kind for kind in kinds if kind is not None])
    comparable = [found is not None and found == reference for found in kinds]
    slowest = max(
        (result.train_seconds or 0.0 for result, fits in zip(results, comparable, strict=True) if fits),
        default=None,
    )
    related = []
    for result, fits in zip(results, comparable, strict=True):
        if fits:
            place = baseline_of(result.variant, at)
            base = results[place] if place is not None and comparable[place] else None
            result = replace(
                result,
                comparable_costs=True,
                train_seconds_reduction=saving(
                    result.train_seconds, base.train_seconds if base else None
                ),
                memory_reduction=saving(
                    result.peak_memory_bytes, base.peak_memory_bytes if base else None
                ),
                speedup=ratio(result.samples_per_second, base.samples_per_second if base else None),
                time_efficiency=saving(result.train_seconds, slowest),
            )
        related.append(result)
    notes = [
        f"costs of {result.method} were measured in another setting ({differences(kind, reference)}) "
        "and are not compared with the others"
        for result, kind in zip(results, kinds, strict=True)
        if kind is not None and reference is not None and kind != reference
    ]
    busy = busy_note(cost for cost in costs if cost is not None)
    return related, [*notes, *([] if busy is None else [busy])]


def _differing(kinds: list[Kind], reference: Kind) -> str:
    if len(kinds) > 1:
        return f"its seeds differ in {differences(kinds[0], kinds[1])}"
    return f"it differs from them in {differences(kinds[0], reference)}"


def baseline_of(variant: Variant, at: Mapping[Variant, int]) -> int | None:
    """Return the place of the baseline that a variant is compared with, the tuned one if it is tuned."""
    return at.get(variant, at.get("default"))
