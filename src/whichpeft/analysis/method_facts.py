"""What a method's own records say: scores, counts, times and sizes."""

from __future__ import annotations

import statistics

from whichpeft.analysis.comparable_groups import ComparableGroup, MethodRecords
from whichpeft.analysis.rows import Row, unknown_row
from whichpeft.analysis.statistics.intervals import percent, ratio, saving
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.status import status_of
from whichpeft.records.record import finite
from whichpeft.study import Study

_PARAMETERS = ("trainable_parameters", "adapter_parameters", "head_parameters")
_COSTS = (
    "train_seconds",
    "step_milliseconds",
    "samples_per_second",
    "tokens_per_second",
    "peak_memory_bytes",
    "adapter_bytes",
    "inference_milliseconds",
)


def method_facts(
    study: Study, group: ComparableGroup, kept: MethodRecords, effects: VarianceComponents | None
) -> Row:
    """Return a row with what a method's own records say, without looking at any other method.

    effects: what its scores are made of; None where it has none.
    """
    row = unknown_row()
    trial, done = kept.trial, kept.completed
    row["status"], row["error"] = status_of(kept, study.seeds)
    row |= {
        "backbone": group.backbone,
        "task": group.task,
        "method": kept.method,
        "variant": kept.variant,
        "seeds": [record.trial.seed for record in done],
    }
    if trial is not None:
        row["method_id"] = trial.method_id
        row["hyperparameters"] = dict(trial.hyperparameters)
    if done:
        first = done[0].measurement("score", "test")
        row["metric"] = first.source if first else None
        row["chance"] = finite(done[0].value("chance"))
        totals = [finite(record.value("total_seconds", "all")) for record in done]
        known = [total for total in totals if total is not None]
        row["total_seconds"] = statistics.fmean(known) if known else None
    if effects is not None:
        row["score_mean"], row["score_low"], row["score_high"] = effects.interval()
    for name in _PARAMETERS:
        row[name] = _whole(kept.value(name))
    trainable = kept.value("trainable_parameters")
    row["trainable_percent"] = percent(ratio(trainable, kept.value("total_parameters")))
    row["percent_of_full"] = percent(ratio(trainable, kept.value("full_parameters")))
    row["parameter_reduction"] = saving(trainable, kept.value("full_parameters"))
    if kept.cost is not None:
        for name in _COSTS:
            value = finite(kept.cost.value(name))
            row[name] = _whole(value) if name.endswith("_bytes") else value
    return row


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
