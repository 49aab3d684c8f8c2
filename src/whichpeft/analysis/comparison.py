"""Comparison: the methods of a study side by side on one backbone and task."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from whichpeft.analysis.comparable_groups import (
    ComparableGroup,
    MethodRecords,
    Variant,
    group_records,
    same_method,
)
from whichpeft.analysis.example_scores import Predictions, ScoresByExample
from whichpeft.analysis.frontier import mark_frontier
from whichpeft.analysis.learning import Curves
from whichpeft.analysis.method_facts import method_facts
from whichpeft.analysis.rows import Row, unknown_row
from whichpeft.analysis.search import Search, read_search
from whichpeft.analysis.statistics.gap import MARGIN
from whichpeft.analysis.statistics.intervals import ratio, saving
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.verdicts import by_seed, gap_effects, give_verdicts, method_effects
from whichpeft.records import Measurement, Record
from whichpeft.records.comparability import Kind, cost_kind, differences, kinds_of, reference_kind
from whichpeft.study import Study


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One backbone on one task: a row for each method, and what a reader has to know beside.

    baseline: the method that gaps and savings are taken against, as typed in the study.
    data: fingerprint of the data; None where nothing has run.
    margin: the gap, as a fraction, within which methods count as equivalent.
    notes: sentences about records that were kept apart.
    examples: number of examples by split, where known.
    step_quartiles: by method, the quartiles of its step time in milliseconds.
    records: what each row rests on; scores: what its trials scored on each test example; curves: reads
    what a trial left of its way, where that is kept.
    scores_alike, costs_alike: whether a row's scores, and its costs, were taken in the setting that
    the comparison is made in.
    searches: by method, as typed, what its search tried, where it was tuned.
    over_examples: method and variant of the rows whose intervals hold for other test examples too;
    the other intervals are over seeds alone.
    decides: by method and variant, what would decide where the verdict is undecided.
    """

    backbone: str
    task: str
    metric: str | None
    chance: float | None
    baseline: str
    data: str | None
    rows: list[Row]
    margin: float = MARGIN
    notes: list[str] = field(default_factory=list)
    examples: Mapping[str, int] = field(default_factory=dict)
    step_quartiles: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    records: list[MethodRecords] = field(default_factory=list)
    scores: ScoresByExample = field(default_factory=lambda: ScoresByExample(None))
    curves: Curves | None = None
    scores_alike: list[bool] = field(default_factory=list)
    costs_alike: list[bool] = field(default_factory=list)
    searches: Mapping[str, Search] = field(default_factory=dict)
    over_examples: frozenset[tuple[str, str]] = frozenset()
    decides: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def baseline_row(self) -> Row | None:
        """Return the baseline's row, the tuned one where it was tuned; None where there is none."""
        return next((row for row in self.answers if row["verdict"] == "baseline"), None)

    @property
    def answers(self) -> list[Row]:
        """Return one row a method: as tuned where that was tested already, else as it comes.

        A tuned row with some of its seeds does not stand in for a default row with all of them.
        """
        whole = {
            row["method"]
            for row in self.rows
            if row["variant"] == "default" and row["status"] == "completed"
        }
        tuned = {
            row["method"]
            for row in self.rows
            if row["variant"] == "tuned"
            and row["score_mean"] is not None
            and (row["status"] == "completed" or row["method"] not in whole)
        }
        return [row for row in self.rows if (row["variant"] == "tuned") == (row["method"] in tuned)]


def compare(
    study: Study,
    records: Iterable[Record],
    *,
    predictions: Predictions | None = None,
    margin: float = MARGIN,
) -> list[Row]:
    """Return one row for each backbone, task and method: a dict with every one of `KEYS`.

    Rows are in the order of the study. Scores, gaps and reductions are fractions; keys that end
    in percent, seconds, milliseconds or bytes carry that unit. Unknown is None. The rest is as in
    `comparisons`.
    """
    found = comparisons(study, records, predictions=predictions, margin=margin)
    return [row for comparison in found for row in comparison.rows]


def comparisons(
    study: Study,
    records: Iterable[Record],
    *,
    predictions: Predictions | None = None,
    curves: Curves | None = None,
    margin: float = MARGIN,
) -> list[Comparison]:
    """Return one comparison for each backbone and task, in the order of the study.

    predictions: gives a trial's arrays by its fingerprint, such as `Store.predictions`; without them
    intervals are over seeds alone and hold for this test set only. curves: gives a trial's curve, such
    as `Store.curve_rows`. margin: the gap, as a fraction, within which methods are equivalent. Where
    records of the same names belong to different data, revisions or budgets, each of those gets a
    comparison of its own, and a note says so.
    """
    groups = group_records(study, records)
    names = [(group.backbone, group.task) for group in groups]
    return [
        _compare(
            study,
            group,
            ScoresByExample(predictions),
            curves,
            margin=margin,
            apart=names.count((group.backbone, group.task)) > 1,
        )
        for group in groups
    ]


def _compare(
    study: Study,
    group: ComparableGroup,
    scores: ScoresByExample,
    curves: Curves | None,
    *,
    margin: float,
    apart: bool,
) -> Comparison:
    own = [method_effects(kept, scores) for kept in group.methods]
    rows = [
        method_facts(study, group, kept, effects)
        for kept, effects in zip(group.methods, own, strict=True)
    ]
    chance = next((row["chance"] for row in rows if row["chance"] is not None), None)
    metric = next((row["metric"] for row in rows if row["metric"] is not None), None)
    for row in rows:
        row["metric"], row["chance"] = metric, chance
    notes = []
    if apart:
        notes.append(
            f"records of {group.backbone} on {group.task} belong to different data, revisions or "
            f"budgets and are not mixed; this part has data {group.data}"
        )
    notes += [
        f"{kept.method}: {kept.outdated} records are left out, of hyperparameters that its search no "
        "longer finds best"
        for kept in group.methods
        if kept.outdated
    ]
    at = _baseline_places(study, group)
    for place in at.values():
        rows[place]["verdict"] = "baseline"
    alike, gaps, unlike = _relate_scores(group.methods, rows, at, scores)
    decides = give_verdicts(rows, gaps, margin=margin)
    costs_alike, costs_unlike = _relate_costs(group.methods, rows, at)
    notes += [*unlike, *costs_unlike]
    mark_frontier(rows, [a and b for a, b in zip(alike, costs_alike, strict=True)])
    names = [(row["method"], row["variant"]) for row in rows]
    return Comparison(
        backbone=group.backbone,
        task=group.task,
        metric=metric,
        chance=chance,
        baseline=study.baseline,
        data=group.data,
        rows=rows,
        margin=margin,
        notes=notes,
        examples=_examples(group),
        step_quartiles=_quartiles(group),
        records=group.methods,
        scores=scores,
        curves=curves,
        scores_alike=alike,
        costs_alike=costs_alike,
        searches={
            kept.method: read_search(kept.method, kept.search) for kept in group.methods if kept.search
        },
        over_examples=frozenset(
            name for name, effects in zip(names, own, strict=True) if effects and effects.examples
        ),
        decides={name: needed for name, needed in zip(names, decides, strict=True) if needed},
    )


def _relate_scores(
    methods: list[MethodRecords],
    rows: list[Row],
    at: Mapping[Variant, int],
    scores: ScoresByExample,
) -> tuple[list[bool], list[VarianceComponents | None], list[str]]:
    """Fill in gap, retention and normalised score.

    Returns which rows could be related, what each one's gap is made of, and notes on those that
    could not.
    """
    kinds = [kinds_of(kept.completed, scores=True) for kept in methods]
    own = [kind for place in at.values() for kind in kinds[place]]
    reference = reference_kind(own, [kind for found in kinds for kind in found])
    gaps: list[VarianceComponents | None] = [None] * len(methods)
    if reference is None:
        return [False] * len(methods), gaps, []
    alike = [found == [reference] for found in kinds]
    best = (
        max(row["score_mean"] for row, fits in zip(rows, alike, strict=True) if fits)
        if any(alike)
        else None
    )
    for i, (kept, row, fits) in enumerate(zip(methods, rows, alike, strict=True)):
        if not fits:
            continue
        row["normalised_score"] = ratio(row["score_mean"], best)
        place = _opposite(kept.variant, at)
        if place is not None and alike[place]:
            gaps[i] = gap_effects(kept, methods[place], scores)
            _relate(row, gaps[i], by_seed(kept), by_seed(methods[place]))
            if place == i:  # against its own trials, which needs no telling of chance
                row["gap_mean"], row["gap_low"], row["gap_high"] = 0.0, 0.0, 0.0
    unlike = [
        f"scores of {kept.method} are not compared with the others: {_differing(found, reference)}"
        for kept, found, fits in zip(methods, kinds, alike, strict=True)
        if found and not fits
    ]
    return alike, gaps, unlike


def _relate(
    row: Row, gap: VarianceComponents | None, own: Mapping[int, float], base: Mapping[int, float]
) -> None:
    """Fill in gap and retention, from scores by seed."""
    if gap is not None:
        row["gap_mean"], row["gap_low"], row["gap_high"] = gap.interval()
    shares = [ratio(own[seed], base[seed]) for seed in own if seed in base]
    known = [share for share in shares if share is not None]
    if known and len(known) == len(shares):
        row["retention_percent"] = 100 * statistics.fmean(known)


def _relate_costs(
    methods: list[MethodRecords], rows: list[Row], at: Mapping[Variant, int]
) -> tuple[list[bool], list[str]]:
    """Fill in savings and speed-ups among profiles of one kind of setting.

    Returns which rows could be related, and notes on those that could not.
    """
    kinds = [None if kept.cost is None else cost_kind(kept.cost.setting) for kept in methods]
    own = [kind for place in at.values() if (kind := kinds[place]) is not None]
    reference = reference_kind(own, [kind for kind in kinds if kind is not None])
    alike = [found is not None and found == reference for found in kinds]
    slowest = max(
        (row["train_seconds"] or 0.0 for row, fits in zip(rows, alike, strict=True) if fits),
        default=None,
    )
    for kept, row, fits in zip(methods, rows, alike, strict=True):
        if not fits:
            continue
        place = _opposite(kept.variant, at)
        base = rows[place] if place is not None and alike[place] else unknown_row()
        row["train_seconds_reduction"] = saving(row["train_seconds"], base["train_seconds"])
        row["memory_reduction"] = saving(row["peak_memory_bytes"], base["peak_memory_bytes"])
        row["speedup"] = ratio(row["samples_per_second"], base["samples_per_second"])
        row["time_efficiency"] = saving(row["train_seconds"], slowest)
    return alike, [
        f"costs of {kept.method} were measured in another setting ({differences(kind, reference)}) "
        "and are not compared with the others"
        for kept, kind in zip(methods, kinds, strict=True)
        if kind is not None and reference is not None and kind != reference
    ]


def _differing(kinds: list[Kind], reference: Kind) -> str:
    if len(kinds) > 1:
        return f"its seeds differ in {differences(kinds[0], kinds[1])}"
    return f"another {differences(kinds[0], reference)}"


def _baseline_places(study: Study, group: ComparableGroup) -> dict[Variant, int]:
    """Return where the baseline stands, by variant."""
    found: dict[Variant, int] = {}
    for i, kept in enumerate(group.methods):
        trial = kept.trial
        if kept.method == study.baseline or (trial is not None and same_method(study.baseline, trial)):
            found.setdefault(kept.variant, i)
    return found


def _opposite(variant: Variant, at: Mapping[Variant, int]) -> int | None:
    """Return the place of the baseline that a variant is held against: tuned against tuned."""
    return at.get(variant, at.get("default"))


def _examples(group: ComparableGroup) -> dict[str, int]:
    found = {}
    for split in ("train", "validation", "test"):
        values = (kept.value(f"{split}_examples") for kept in group.methods)
        count = next((value for value in values if value is not None), None)
        if count is not None:
            found[split] = round(count)
    return found


def _quartiles(group: ComparableGroup) -> dict[str, tuple[float, float]]:
    found = {}
    for kept in group.methods:
        step: Measurement | None = kept.cost.measurement("step_milliseconds") if kept.cost else None
        if step is not None and step.low is not None and step.high is not None:
            found[kept.method] = (step.low, step.high)
    return found
