"""Two studies side by side: what changed between them, and what that did to each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.rows import Row
from whichpeft.analysis.statistics.gap import MARGIN, gap_of, judge
from whichpeft.analysis.statistics.holm import holm
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects, seed_effects
from whichpeft.analysis.study_changes import Change, study_changes
from whichpeft.analysis.verdicts import by_seed
from whichpeft.records import Record
from whichpeft.records.comparability import cost_kind, differences
from whichpeft.study import Study

Side = tuple[Comparison, Row, MethodRecords]
Verdict = Literal["equivalent", "better", "worse", "undecided"]


@dataclass(frozen=True, kw_only=True)
class MethodChange:
    """One method on one backbone and task, in the first study and in the second.

    first, second: its rows; None where a study lacks it. backbone, task: as the second names them, or
    the first where the second lacks it. difference: the second's score minus the first's, a fraction;
    low, high: its 95 % interval and p_value, p_adjusted (Holm's over all methods) its tests, where the
    two are paired. pairing: what it was paired over, or why it was not. verdict: on the difference.
    cost_difference: what makes the costs of the two not comparable, in words; None where they are.
    hyperparameters_differ: names of those.
    """

    backbone: str
    task: str
    method: str
    variant: str
    first: Row | None
    second: Row | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    verdict: Verdict | None = None
    pairing: str = ""
    cost_difference: str | None = None
    hyperparameters_differ: tuple[str, ...] = ()

    @property
    def flipped(self) -> bool:
        """Whether the verdict against the baseline is another one in the second study."""
        found = [row["verdict"] if row else None for row in (self.first, self.second)]
        return None not in found and found[0] != found[1]


@dataclass(frozen=True, kw_only=True)
class TwoStudies:
    """What two studies say about each other.

    names: of the two; changes: what they differ in; methods: in the order of the first, then what only
    the second has. margin: the difference, a fraction, within which scores count as equivalent.
    """

    names: tuple[str, str]
    changes: tuple[Change, ...]
    methods: tuple[MethodChange, ...]
    margin: float = MARGIN

    @property
    def flipped(self) -> list[MethodChange]:
        """Return the methods whose verdict against the baseline is another one in the second study."""
        return [method for method in self.methods if method.flipped]


def compare_studies(
    first: tuple[Study, Sequence[Comparison]],
    second: tuple[Study, Sequence[Comparison]],
    *,
    margin: float = MARGIN,
) -> TwoStudies:
    """Lay two studies side by side, method by method.

    The difference of a method's scores has an interval where both studies tested it with the same
    seeds on the same data by the same metric; over test examples too where their predictions are
    known. Elsewhere it is told without one, and why.
    """
    sides = [
        {_key(*side): side for one in comparisons for side in zip_rows(one)}
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
        gap = gap_of(effects, margin=margin)
        verdict = judge(gap.mean, p, gap.proved_margin, margin=margin)
        methods.append(replace(method, p_adjusted=p, verdict=verdict))
    return TwoStudies(
        names=(first[0].name, second[0].name),
        changes=tuple(study_changes(first[0], second[0], (first[1], second[1]))),
        methods=tuple(methods),
        margin=margin,
    )


def zip_rows(comparison: Comparison) -> list[Side]:
    """Return each row of a comparison with what it rests on."""
    return [
        (comparison, row, kept) for row, kept in zip(comparison.rows, comparison.records, strict=True)
    ]


def _renamed(first: Sequence[Comparison], second: Sequence[Comparison]) -> list[Comparison]:
    """Set the first study's backbones and tasks against the second's, whatever they are called.

    One backbone against one other, on the same task, is the same question with another backbone; so is
    one task against one other.
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


def _key(comparison: Comparison, row: Row, kept: MethodRecords) -> tuple[str, str, str, str]:
    return comparison.backbone, comparison.task, row["method_id"] or row["method"], row["variant"]


def _method_change(
    first: Side | None, second: Side | None, margin: float
) -> tuple[MethodChange, VarianceComponents | None]:
    known = second or first
    assert known is not None  # a key comes from one of the two
    comparison, row, _ = known
    method = MethodChange(
        backbone=comparison.backbone,
        task=comparison.task,
        method=row["method"],
        variant=row["variant"],
        first=first[1] if first else None,
        second=second[1] if second else None,
    )
    if first is None or second is None:
        return replace(method, pairing=f"only in the {'second' if first is None else 'first'}"), None
    method = replace(
        method,
        cost_difference=_cost_difference(first[2].cost, second[2].cost),
        hyperparameters_differ=_differing(first[1], second[1]),
    )
    scores = [side[1]["score_mean"] for side in (first, second)]
    if None in scores:
        return replace(method, pairing="a score is missing"), None
    why = _not_alike(first, second)
    if why is not None:
        told = scores[1] - scores[0] if _same_question(first, second) else None
        return replace(method, difference=told, pairing=f"not paired: {why}"), None
    effects = _paired(first, second)
    gap = gap_of(effects, margin=margin)
    over = f"{effects.seeds} seed{'' if effects.seeds == 1 else 's'}"
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
    """Say why two scores cannot be paired, or nothing."""
    if _task(first) != _task(second):
        return f"the task is {_task(first)}, then {_task(second)}"
    if first[1]["metric"] != second[1]["metric"]:
        return f"the metric is {first[1]['metric']}, then {second[1]['metric']}"
    if first[0].data != second[0].data:
        return "the data differ"
    if not set(by_seed(first[2])) & set(by_seed(second[2])):
        return "no seed is in both"
    return None


def _same_question(first: Side, second: Side) -> bool:
    return (_task(first), first[1]["metric"]) == (_task(second), second[1]["metric"])


def _task(side: Side) -> str:
    """Return the task as its records name it, whatever it was set against."""
    return side[1]["task"] or side[0].task


def _paired(first: Side, second: Side) -> VarianceComponents:
    """Take apart the differences of two rows on their common seeds, by example where known."""
    by = [{record.trial.seed: record for record in side[2].completed} for side in (first, second)]
    seeds = [seed for seed in by[0] if seed in by[1]]
    values = [
        side[0].scores.of([found[seed] for seed in seeds])
        for side, found in zip((first, second), by, strict=True)
    ]
    ours, theirs = values
    if ours is not None and theirs is not None and first[0].scores.same_examples(second[0].scores):
        return random_effects(theirs - ours)
    scores = [by_seed(side[2]) for side in (first, second)]
    return seed_effects([scores[1][seed] - scores[0][seed] for seed in seeds])


def _cost_difference(first: Record | None, second: Record | None) -> str | None:
    if first is None or second is None:
        return "not measured in both"
    ours, theirs = cost_kind(first.setting), cost_kind(second.setting)
    return differences(ours, theirs) or None


def _differing(first: Row, second: Row) -> tuple[str, ...]:
    ours, theirs = first["hyperparameters"] or {}, second["hyperparameters"] or {}
    return tuple(key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key))
