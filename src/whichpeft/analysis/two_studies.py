"""Compare two studies: what changed between them, and how that affected each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.gap import LEVEL, MARGIN, Verdict, gap_of, verdict_interval
from whichpeft.analysis.statistics.holm import holm
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects, seed_effects
from whichpeft.analysis.study_changes import Change, study_changes
from whichpeft.analysis.verdicts import by_seed
from whichpeft.records import Record
from whichpeft.records.comparability import cost_kind, differences
from whichpeft.study import Study
from whichpeft.units import counted


class Side(NamedTuple):
    """A method in one of the two studies."""

    comparison: Comparison
    result: MethodResult


@dataclass(frozen=True, kw_only=True)
class MethodChange:
    """One method on one backbone and task, in the first study and in the second."""

    backbone: str
    """Short name of the backbone in the second study, or in the first if the second lacks it."""

    task: str
    """Short name of the task in the second study, or in the first if the second lacks it."""

    method: str
    """The method as written in the study."""

    variant: str
    """``default`` or ``tuned``."""

    first: MethodResult | None
    """Its result in the first study; None if that lacks it."""

    second: MethodResult | None
    """Its result in the second study; None if that lacks it."""

    difference: float | None = None
    """The second's score minus the first's, a fraction."""

    low: float | None = None
    """Lower bound of the difference's 95 % interval, a fraction; None if the scores are not paired."""

    high: float | None = None
    """Upper bound of the difference's 95 % interval, a fraction; None if the scores are not paired."""

    verdict_low: float | None = None
    """Lower bound of the interval that the verdict rests on, a fraction (see `verdict_difference`)."""

    verdict_high: float | None = None
    """Upper bound of the interval that the verdict rests on, a fraction."""

    p_value: float | None = None
    """Two-sided p-value of no difference; None if the scores are not paired."""

    p_adjusted: float | None = None
    """The p-value after Holm's correction for the number of methods."""

    verdict: Verdict | None = None
    """Verdict on the difference, from the adjusted p-value."""

    pairing: str = ""
    """What the scores were paired over, or why they were not, in words."""

    cost_difference: str | None = None
    """Why the costs of the two studies cannot be compared, in words; None if they can."""

    hyperparameters_differ: tuple[str, ...] = ()
    """Names of the hyperparameters that differ."""

    @property
    def verdict_difference(self) -> Interval:
        """Return the difference with the interval that the verdict rests on, as fractions.

        It leaves out zero if the verdict is better or worse, and is within the margin if the verdict is
        equivalent. See `MethodResult.verdict_gap`.
        """
        return Interval(self.difference, self.verdict_low, self.verdict_high)

    @property
    def flipped(self) -> bool:
        """Whether the verdict against the baseline differs between the two studies."""
        found = [result.verdict if result else None for result in (self.first, self.second)]
        return None not in found and found[0] != found[1]


@dataclass(frozen=True, kw_only=True)
class TwoStudies:
    """The comparison of two studies."""

    names: tuple[str, str]
    """Names of the two studies."""

    changes: tuple[Change, ...]
    """What the studies differ in."""

    methods: tuple[MethodChange, ...]
    """The methods in the order of the first study, followed by those that only the second has."""

    margin: float = MARGIN
    """The difference, a fraction, within which scores count as equivalent."""

    @property
    def flipped(self) -> list[MethodChange]:
        """Return the methods whose verdict against the baseline differs between the two studies."""
        return [method for method in self.methods if method.flipped]


def compare_studies(
    first: tuple[Study, Sequence[Comparison]],
    second: tuple[Study, Sequence[Comparison]],
    *,
    margin: float = MARGIN,
) -> TwoStudies:
    """Compare two studies method by method.

    The difference of a method's scores has an interval if both studies tested it with the same seeds
    on the same data by the same metric; the interval covers test examples too if predictions are
    known. Otherwise `MethodChange.pairing` says why there is none.

    Parameters
    ----------
    first, second
        A study with its comparisons.
    margin
        The difference, a fraction, within which scores count as equivalent.

    Returns
    -------
    TwoStudies
        What changed, and the difference of each method.
    """
    sides = [
        {_key(side): side for one in comparisons for side in _sides(one)}
        for comparisons in (_renamed(first[1], second[1]), second[1])
    ]
    found = [
        _method_change(sides[0].get(key), sides[1].get(key), margin)
        for key in dict.fromkeys([*sides[0], *sides[1]])
    ]
    adjusted = holm([method.p_value for method, _ in found])
    methods = []
    for (method, effects), p in zip(found, adjusted, strict=True):
        if effects is None:
            methods.append(method)
            continue
        # Holm's level for this method: its p-value is below it if the adjusted one is below 5 %.
        level = LEVEL * method.p_value / p if method.p_value and p else LEVEL
        gap = gap_of(effects, margin=margin, p_adjusted=p, level=level)
        _, low, high = verdict_interval(gap)
        methods.append(
            replace(method, p_adjusted=p, verdict=gap.verdict, verdict_low=low, verdict_high=high)
        )
    return TwoStudies(
        names=(first[0].name, second[0].name),
        changes=tuple(study_changes(first[0], second[0], (first[1], second[1]))),
        methods=tuple(methods),
        margin=margin,
    )


def _sides(comparison: Comparison) -> list[Side]:
    return [Side(comparison, result) for result in comparison.results]


def _renamed(first: Sequence[Comparison], second: Sequence[Comparison]) -> list[Comparison]:
    """Rename the first study's backbones and tasks to those of the second that they are compared with.

    If each study has one backbone of its own on the same task, the two are compared; the same holds
    for tasks.
    """
    theirs = {(one.backbone, one.task) for one in second}
    free = theirs - {(one.backbone, one.task) for one in first}
    renamed = []
    for one in first:
        same_task = [key for key in free if key[1] == one.task]
        same_backbone = [key for key in free if key[0] == one.backbone]
        close = same_task or same_backbone
        if (one.backbone, one.task) not in theirs and len(close) == 1:
            free -= set(close)
            one = replace(one, backbone=close[0][0], task=close[0][1])
        renamed.append(one)
    return renamed


def _key(side: Side) -> tuple[str, str, str, str]:
    comparison, result = side
    return comparison.backbone, comparison.task, result.method_id or result.method, result.variant


def _method_change(
    first: Side | None, second: Side | None, margin: float
) -> tuple[MethodChange, VarianceComponents | None]:
    known = second or first
    assert known is not None  # a key comes from one of the two
    comparison, result = known
    method = MethodChange(
        backbone=comparison.backbone,
        task=comparison.task,
        method=result.method,
        variant=result.variant,
        first=first.result if first else None,
        second=second.result if second else None,
    )
    if first is None or second is None:
        return replace(method, pairing=f"only in the {'second' if first is None else 'first'}"), None
    method = replace(
        method,
        cost_difference=_cost_difference(first.result.records.cost, second.result.records.cost),
        hyperparameters_differ=_differing(first.result, second.result),
    )
    before, after = first.result.score_mean, second.result.score_mean
    if before is None or after is None:
        return replace(method, pairing="a score is missing"), None
    why = _not_alike(first, second)
    if why is not None:
        difference = after - before if _same_question(first, second) else None
        return replace(method, difference=difference, pairing=f"not paired: {why}"), None
    effects = _paired(first, second)
    gap = gap_of(effects, margin=margin)
    over = counted(effects.seeds, "seed")
    over += f" and {effects.examples:,} test examples" if effects.examples else ", this test set only"
    return (
        replace(
            method,
            difference=gap.mean,
            low=gap.low,
            high=gap.high,
            p_value=gap.p_value,
            pairing=f"paired over {over}",
        ),
        effects,
    )


def _not_alike(first: Side, second: Side) -> str | None:
    """Return why two scores cannot be paired; None if they can."""
    if _task(first) != _task(second):
        return f"the task is {_task(first)}, then {_task(second)}"
    if first.result.metric != second.result.metric:
        return f"the metric is {first.result.metric}, then {second.result.metric}"
    if first.comparison.data != second.comparison.data:
        return "the data differ"
    if not set(by_seed(first.result.records)) & set(by_seed(second.result.records)):
        return "no seed is in both"
    return None


def _same_question(first: Side, second: Side) -> bool:
    return (_task(first), first.result.metric) == (_task(second), second.result.metric)


def _task(side: Side) -> str:
    """Return the task as its records name it, although the comparison may be renamed."""
    return side.result.task or side.comparison.task


def _paired(first: Side, second: Side) -> VarianceComponents:
    """Estimate variance components of the differences on common seeds, by example if known."""
    by = [
        {record.trial.seed: record for record in side.result.records.completed}
        for side in (first, second)
    ]
    seeds = [seed for seed in by[0] if seed in by[1]]
    values = [
        side.comparison.scores.of([found[seed] for seed in seeds])
        for side, found in zip((first, second), by, strict=True)
    ]
    ours, theirs = values
    if (
        ours is not None
        and theirs is not None
        and first.comparison.scores.same_examples(second.comparison.scores)
    ):
        return random_effects(theirs - ours)
    scores = [by_seed(side.result.records) for side in (first, second)]
    return seed_effects([scores[1][seed] - scores[0][seed] for seed in seeds])


def _cost_difference(first: Record | None, second: Record | None) -> str | None:
    if first is None or second is None:
        return "not measured in both"
    ours, theirs = cost_kind(first.setting), cost_kind(second.setting)
    return differences(ours, theirs) or None


def _differing(first: MethodResult, second: MethodResult) -> tuple[str, ...]:
    ours, theirs = first.hyperparameters or {}, second.hyperparameters or {}
    return tuple(key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key))
