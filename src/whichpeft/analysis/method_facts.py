"""What a method's own records say: scores, counts, times and sizes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from whichpeft.analysis.comparable_groups import ComparableGroup, MethodRecords
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.intervals import Interval, percent, ratio, saving
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.status import status_of
from whichpeft.analysis.verdicts import score_interval
from whichpeft.records import Record
from whichpeft.records.other_work import taken_share
from whichpeft.records.record import finite
from whichpeft.study import Study, first_seeds

_NO_SCORE = Interval(None, None, None)


def method_facts(
    study: Study,
    group: ComparableGroup,
    records: MethodRecords,
    effects: VarianceComponents | None,
) -> MethodResult:
    """Return what a method's own records say, without looking at any other method.

    Parameters
    ----------
    study
        The study, whose seeds decide whether the method is complete.
    group
        The backbone, task and data that the records share.
    records
        The records of the method.
    effects
        Variance components of its scores; None if it has no score.
    """
    trial, done = records.trial, records.completed
    planned = first_seeds(study.seeds)
    status, error = status_of(records, planned)
    first = done[0].measurement("score", "test") if done else None
    metric = first.source if first else None
    score = _NO_SCORE if effects is None else score_interval(effects, metric)
    trainable = records.value("trainable_parameters")
    return MethodResult(
        backbone=group.backbone,
        task=group.task,
        metric=metric,
        chance=finite(done[0].value("chance")) if done else None,
        method=records.method,
        method_id=None if trial is None else trial.method_id,
        hyperparameters=None if trial is None else dict(trial.hyperparameters),
        variant=records.variant,
        seeds=tuple(record.trial.seed for record in done),
        status=status,
        error=error,
        planned_seeds=planned,
        score_mean=score.mean,
        score_low=score.low,
        score_high=score.high,
        trainable_parameters=_whole(trainable),
        adapter_parameters=_whole(records.value("adapter_parameters")),
        head_parameters=_whole(records.value("head_parameters")),
        trainable_percent=percent(ratio(trainable, records.value("total_parameters"))),
        percent_of_full=percent(ratio(trainable, records.value("full_parameters"))),
        parameter_reduction=saving(trainable, records.value("full_parameters")),
        train_seconds=_profiled(records, "train_seconds"),
        total_seconds=_total_seconds(done),
        step_milliseconds=_profiled(records, "step_milliseconds"),
        samples_per_second=_profiled(records, "samples_per_second"),
        tokens_per_second=_profiled(records, "tokens_per_second"),
        residues_per_second=_profiled(records, "residues_per_second"),
        peak_memory_bytes=_whole(_profiled(records, "peak_memory_bytes")),
        adapter_bytes=_whole(_profiled(records, "adapter_bytes")),
        inference_milliseconds=_profiled(records, "inference_milliseconds"),
        taken_share=taken_share(records.cost),
        records=records,
        over_examples=effects is not None and bool(effects.examples),
    )


def planned(result: MethodResult, seeds: int) -> MethodResult:
    """Return a result whose method is to have this many seeds."""
    first = tuple(range(seeds))
    status, error = status_of(result.records, first)
    return replace(result, planned_seeds=first, status=status, error=error)


def _profiled(records: MethodRecords, name: str) -> float | None:
    return None if records.cost is None else finite(records.cost.value(name))


def _total_seconds(done: Sequence[Record]) -> float | None:
    totals = [finite(record.value("total_seconds", "all")) for record in done]
    known = [total for total in totals if total is not None]
    return statistics.fmean(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
