"""Compare the methods of a study on each backbone and task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from whichpeft.analysis.comparable_groups import (
    ComparableGroup,
    group_records,
)
from whichpeft.analysis.example_scores import Predictions, ScoresByExample
from whichpeft.analysis.frontier import mark_frontier
from whichpeft.analysis.learning_curves import Curves
from whichpeft.analysis.looks.judging import judge_at_looks
from whichpeft.analysis.method_facts import method_facts, planned
from whichpeft.analysis.method_result import MethodResult, Row
from whichpeft.analysis.race.finals_so_far import FinalsSoFar, finals_so_far
from whichpeft.analysis.relations import baseline_places, relate_costs, relate_scores
from whichpeft.analysis.search import Search, read_search, shared_seed_note
from whichpeft.analysis.statistics.gap import MARGIN
from whichpeft.analysis.verdicts import give_verdicts, method_effects
from whichpeft.records import Measurement, Race, Record
from whichpeft.study import Study, UntilDecided


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The methods of a study side by side on one backbone and task."""

    backbone: str
    """Short name of the backbone."""

    task: str
    """Short name of the task."""

    metric: str | None
    """Name of the metric; None if nothing was scored."""

    chance: float | None
    """Score that guessing reaches, a fraction; None if unknown."""

    baseline: str
    """The method that gaps and savings refer to, as written in the study."""

    data: str | None
    """Fingerprint of the data; None if nothing has run."""

    results: tuple[MethodResult, ...]
    """One result per method and variant, in the order of the study."""

    margin: float = MARGIN
    """The gap, as a fraction, within which methods count as equivalent."""

    looks: tuple[int, ...] = ()
    """Number of seeds at each look, if methods get seeds until they are decided."""

    finals: FinalsSoFar | None = None
    """How far the finals of a race are; None if the methods did not race, or none was tested yet."""

    notes: tuple[str, ...] = ()
    """Sentences about records that are not part of the comparison, and why."""

    examples: Mapping[str, int] = field(default_factory=dict)
    """Number of examples by split, as far as it is known."""

    step_quartiles: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By method, the quartiles of its step time in milliseconds."""

    scores: ScoresByExample = field(default_factory=lambda: ScoresByExample(None))
    """What the trials scored on each test example."""

    curves: Curves | None = None
    """Reads a trial's learning curve; None if curves were not kept."""

    searches: Mapping[str, Search] = field(default_factory=dict)
    """By method, as written in the study, its search; only methods that were tuned."""

    @property
    def baseline_result(self) -> MethodResult | None:
        """Return the baseline's result, the tuned one if it was tuned; None if there is none."""
        return next((result for result in self.answers if result.verdict == "baseline"), None)

    @property
    def answers(self) -> list[MethodResult]:
        """Return one result per method: the tuned one if it was tested, else the default."""
        return [result for result in self.results if result.is_answer]


def compare(
    study: Study,
    records: Iterable[Record],
    *,
    predictions: Predictions | None = None,
    margin: float = MARGIN,
) -> list[Row]:
    """Compare the methods of a study and return one row per backbone, task and method.

    Parameters
    ----------
    study
        The study that the records belong to.
    records
        The records, in any order.
    predictions
        Returns a trial's arrays by its fingerprint, such as `Store.predictions`. Without it,
        intervals are over seeds alone and hold for this test set only.
    margin
        The gap, as a fraction, within which methods count as equivalent.

    Returns
    -------
    list of dict
        Rows in the order of the study, each with every key of `KEYS`. Scores, gaps and reductions
        are fractions; keys that end in percent, seconds, milliseconds or bytes carry that unit.
        Unknown is None.
    """
    found = comparisons(study, records, predictions=predictions, margin=margin)
    return [result.as_row() for comparison in found for result in comparison.results]


def comparisons(
    study: Study,
    records: Iterable[Record],
    *,
    predictions: Predictions | None = None,
    curves: Curves | None = None,
    margin: float = MARGIN,
    race: Race | None = None,
) -> list[Comparison]:
    """Compare the methods of a study on each backbone and task.

    Parameters
    ----------
    study
        The study that the records belong to.
    records
        The records, in any order.
    predictions
        Returns a trial's arrays by its fingerprint, such as `Store.predictions`. Without it,
        intervals are over seeds alone and hold for this test set only.
    curves
        Returns a trial's learning curve by its fingerprint, such as `Store.curve_rows`.
    margin
        The gap, as a fraction, within which methods count as equivalent.
    race
        The decisions of the race in the folder, such as `Store.race`.

    Returns
    -------
    list of Comparison
        One comparison per backbone and task, in the order of the study. If records of the same names
        belong to different data, revisions or budgets, each of those gets its own comparison, and a
        note says so.
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
            race=race,
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
    race: Race | None,
    apart: bool,
) -> Comparison:
    """Compare the methods of one group; each pass adds what it finds to the results."""
    results = [
        method_facts(study, group, records, method_effects(records, scores)) for records in group.methods
    ]
    metric = next((result.metric for result in results if result.metric is not None), None)
    chance = next((result.chance for result in results if result.chance is not None), None)
    at = baseline_places(study, group)
    results = [
        replace(
            result,
            metric=metric,
            chance=chance,
            verdict="baseline" if place in at.values() else None,
        )
        for place, result in enumerate(results)
    ]
    results, gaps, other_scores = relate_scores(results, at, scores)
    if isinstance(study.seeds, UntilDecided):
        results = judge_at_looks(results, at, scores, until=study.seeds, margin=margin)
    else:
        results = give_verdicts(results, gaps, margin=margin)
    # A finalist's tuned result comes after its default one, and stands for it.
    finals = finals_so_far(race, {result.method: result.records.finals for result in results})
    if finals is not None:
        results = [planned(result, finals.seeds.get(result.method, 0)) for result in results]
    results, other_costs = relate_costs(results, at)
    results = _mark_answers(mark_frontier(results))
    return Comparison(
        backbone=group.backbone,
        task=group.task,
        metric=metric,
        chance=chance,
        baseline=study.baseline,
        data=group.data,
        results=tuple(results),
        margin=margin,
        looks=study.seeds.looks if isinstance(study.seeds, UntilDecided) else (),
        finals=finals,
        notes=(*_notes(group, apart=apart), *other_scores, *other_costs),
        examples=_examples(group),
        step_quartiles=_quartiles(group),
        scores=scores,
        curves=curves,
        searches={
            records.method: read_search(records.method, records.search)
            for records in group.methods
            if records.search
        },
    )


def _notes(group: ComparableGroup, *, apart: bool) -> list[str]:
    """Return sentences about records that are not part of the comparison."""
    notes = []
    if apart:
        notes.append(
            f"records of {group.backbone} on {group.task} belong to different data, revisions or "
            f"budgets and are not mixed; this part has data {group.data}"
        )
    notes += [
        f"{records.method}: {records.outdated} records are left out because their hyperparameters "
        "are no longer the best of its search"
        for records in group.methods
        if records.outdated
    ]
    shared = shared_seed_note(group.methods)
    return notes if shared is None else [*notes, shared]


def _mark_answers(results: Sequence[MethodResult]) -> list[MethodResult]:
    """Mark one result per method: the tuned one if it was tested, else the default.

    A tuned result with some of its seeds does not stand for a default one with all of them.
    """
    whole = {
        result.method
        for result in results
        if result.variant == "default" and result.status == "completed"
    }
    tuned = {
        result.method
        for result in results
        if result.variant == "tuned"
        and result.score_mean is not None
        and (result.status == "completed" or result.method not in whole)
    }
    return [
        replace(result, is_answer=(result.variant == "tuned") == (result.method in tuned))
        for result in results
    ]


def _examples(group: ComparableGroup) -> dict[str, int]:
    found = {}
    for split in ("train", "validation", "test"):
        values = (records.value(f"{split}_examples") for records in group.methods)
        count = next((value for value in values if value is not None), None)
        if count is not None:
            found[split] = round(count)
    return found


def _quartiles(group: ComparableGroup) -> dict[str, tuple[float, float]]:
    found = {}
    for records in group.methods:
        step: Measurement | None = (
            records.cost.measurement("step_milliseconds") if records.cost else None
        )
        if step is not None and step.low is not None and step.high is not None:
            found[records.method] = (step.low, step.high)
    return found
