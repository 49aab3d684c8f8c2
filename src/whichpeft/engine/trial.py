"""Carries out one trial: every outcome becomes a record, including a failure."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.engine.checkpoint import Checkpoints
from whichpeft.engine.compute import Compute, start_computing
from whichpeft.engine.environment import describe_setting
from whichpeft.engine.evaluation import evaluate
from whichpeft.engine.fit_result import FitResult
from whichpeft.engine.frozen.activation_cache import use_cached_activations
from whichpeft.engine.job import (
    FinalWork,
    Job,
    ProfileWork,
    Progress,
    ReportProgress,
    Result,
    ScreenWork,
    TuneWork,
)
from whichpeft.engine.loop import fit
from whichpeft.engine.memory import keep_freed_memory, ran_out_of_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial, keep_adapter, prepare, whole_adapter
from whichpeft.engine.process_group import Group
from whichpeft.engine.profiling.profile import profile
from whichpeft.engine.random_streams import TRAINING, start_stream
from whichpeft.errors import TrialFailed, without_secrets
from whichpeft.records import Measurement, Outcome, Record, Setting
from whichpeft.tasks import HELD_OUT, Array, DecodedTask, scores

_logger = logging.getLogger(__name__)

_LARGEST = 700.0  # nats; the exponential of more overflows
_COMPLETED = Outcome(status="completed")
# The splits that a trial reads, each with the phase that reading it belongs to.
_TRAINING = {"train": "fit", "validation": "validate"}
_SPLITS_READ = {
    ScreenWork: _TRAINING,
    TuneWork: _TRAINING,
    FinalWork: {**_TRAINING, "test": "test"},
}


def carry_out_alone(
    job: Job, report: ReportProgress, group: Group, *, began: float | None = None
) -> Result:
    """Carry out one trial, or this process's share of a sharded one."""
    meter = Meter(began)
    setting = setting_of(job)
    try:
        device = group.device(job.placement.device)
        placement = job.placement
        compute = start_computing(
            device, job.trial.conditions, placement.precision, sharing=placement.sharing
        )
        setting = describe_setting(compute, job.placement.beside)
        with quiet_warnings():
            while True:
                try:
                    return _carry_out(job, compute, setting, meter, report, group)
                except Exception as error:
                    # In a group the other processes still wait for the rest of this attempt.
                    half = job.micro_batch_size // 2 if group.size == 1 else 0
                    if not (job.halve_micro_batch and half and ran_out_of_memory(error)):
                        raise
                # Outside the handler, so that no traceback keeps the attempt's tensors alive.
                job = replace(job, micro_batch=half)
                compute.let_go()
    except Exception as error:  # any error of a trial becomes its record
        return failed(job, setting, error, meter)


def failed(job: Job, setting: Setting, error: BaseException, meter: Meter) -> Result:
    """Return the result of a trial that an error ended."""
    _logger.debug("%s failed", job.trial.method, exc_info=error)
    phase = getattr(error, "phase", None) or meter.phase_now
    outcome = Outcome(status="failed", phase=phase, reason=explain(error))
    return Result(record=_record(job, setting, meter.measurements("trial"), outcome))


def setting_of(job: Job) -> Setting:
    """Return what is known of a job's setting before its device is inspected."""
    return Setting(device=job.placement.device, beside=job.placement.beside)


def explain(error: BaseException) -> str:
    """Return the reason for a failure, in one line."""
    if isinstance(error, TrialFailed):
        return error.reason
    text = without_secrets(" ".join(str(error).split())) or type(error).__name__
    if ran_out_of_memory(error):
        return f"out of memory: {text[:300]}"
    return f"{type(error).__name__}: {text[:500]}"


def _carry_out(
    job: Job, compute: Compute, setting: Setting, meter: Meter, report: ReportProgress, group: Group
) -> Result:
    match job.work:
        case ProfileWork() as work:
            found = [*profile(job, work, compute, meter, report, group), *_halved(job)]
            unmerged = next((fact.source for fact in found if fact.name == "not_merged"), None)
            note = unmerged and f"merged latency of {job.trial.method} is left out: {unmerged}"
            return Result(record=_record(job, setting, found), note=note)
        case ScreenWork() | TuneWork() | FinalWork():
            return _train(job, job.work, compute, setting, meter, report, group)


def _train(
    job: Job,
    work: ScreenWork | TuneWork | FinalWork,
    compute: Compute,
    setting: Setting,
    meter: Meter,
    report: ReportProgress,
    group: Group,
) -> Result:
    """Train; then test and save a final trial. Other trials only ever see validation data."""
    keep_freed_memory(compute.device)
    report(Progress(phase="set-up"))
    prepared = prepare(job, compute, group)
    prepared = use_cached_activations(
        prepared,
        job.data,
        _SPLITS_READ[type(work)],
        meter,
        concurrent_trials=job.placement.concurrent_trials,
    )
    start_stream(job.trial.seed, TRAINING, group.rank)
    fitted = FitResult()
    with Checkpoints(job, compute, meter) as checkpoints:
        if prepared.adapter.trains:
            fitted = fit(prepared, job, meter, report, checkpoints)
    predictions: dict[str, Array] = {}
    scored: list[Measurement] = []
    if isinstance(work, FinalWork):
        predictions, scored = _test(job, prepared, meter, report)
        if work.keep is not None:
            with meter.phase("save"):
                adapter = whole_adapter(prepared, job)
                if adapter is not None:
                    keep_adapter(adapter, prepared.task, work.keep)
    scored += _halved(job)
    if checkpoints.resumed:
        scored.append(_fact("resumed", checkpoints.resumed, "count", "set-up"))
    result = result_of(job, setting, prepared, fitted, predictions, scored, meter)
    skipped = checkpoints.skipped and f"{job.trial.method}: {checkpoints.skipped}"
    return replace(result, note=skipped)


def _test(
    job: Job, prepared: PreparedTrial, meter: Meter, report: ReportProgress
) -> tuple[dict[str, Array], list[Measurement]]:
    """Predict the test split; return the predictions and their scores."""
    with meter.phase("test"):
        report(Progress(phase="test", epoch=job.trial.budget.epochs))
        predictions = checked_predictions(prepared, evaluate(prepared, "test"))
        return predictions, [*final_scores(prepared, predictions), *remembered(prepared)]


def result_of(
    job: Job,
    setting: Setting,
    prepared: PreparedTrial,
    fitted: FitResult,
    predictions: Mapping[str, Array],
    scored: Sequence[Measurement],
    meter: Meter,
) -> Result:
    """Return the result of a trial that finished or was stopped early."""
    measurements = list(prepared.counts)
    if prepared.cached_layers:
        measurements.append(_fact("replayed_layers", prepared.cached_layers, "count", "set-up"))
    if prepared.adapter.trains:
        measurements += [
            _fact("validation_score", fitted.best_score, "fraction", "validate"),
            *_validation_loss(fitted, prepared),
            _fact("best_epoch", fitted.best_epoch, "count", "validate"),
            _fact("epochs_run", fitted.epochs_run, "count", "fit"),
            _fact("steps", fitted.steps, "count", "fit"),
            _fact("examples_trained", fitted.examples, "count", "fit"),
        ]
        if fitted.skipped_steps:
            measurements.append(_fact("skipped_steps", fitted.skipped_steps, "count", "fit"))
    if isinstance(job.work, TuneWork):
        measurements.append(_fact("search_trials", job.work.search_trials, "count", "set-up"))
    measurements += [
        *scored,
        *(
            _fact(f"{split}_examples", len(examples), "count", "set-up")
            for split, examples in prepared.examples.items()
        ),
        *meter.measurements("trial"),
    ]
    outcome = _COMPLETED
    if fitted.pruned_because is not None:
        outcome = Outcome(status="stopped", phase="validate", reason=fitted.pruned_because)
    record = _record(job, setting, measurements, outcome)
    arrays = {**predictions, **validation_arrays(prepared, fitted)}
    return Result(record=record, curve=fitted.curve, predictions=arrays)


def _validation_loss(fitted: FitResult, prepared: PreparedTrial) -> list[Measurement]:
    if fitted.validation is None or fitted.validation.loss is None:
        return []
    unit = "squared" if prepared.task.problem == "regression" else "nats"
    return [_fact("validation_loss", fitted.validation.loss, unit, "validate")]


def validation_arrays(prepared: PreparedTrial, fitted: FitResult) -> dict[str, Array]:
    """Return what a trial predicts on the validation split, under names of their own, with the labels.

    With them, calibration, thresholds and ensembles need no training.
    """
    if fitted.validation is None:
        return {}
    labels = prepared.examples["validation"].labels
    found = {**fitted.validation.arrays, "labels": labels}
    return {f"validation_{name}": array for name, array in found.items()}


def checked_predictions(prepared: PreparedTrial, found: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outputs that `evaluate` gave on the test split, with the labels.

    Raises TrialFailed if the outputs are not finite.
    """
    if not np.isfinite(found["outputs"]).all():
        raise TrialFailed("the outputs are not finite", phase="test")
    outputs = found["outputs"].astype(np.float32)
    kept = {**found, "outputs": outputs, "labels": prepared.examples["test"].labels}
    positive = prepared.task.metrics[0].positive_number
    return kept if positive is None else {**kept, "positive": np.array(positive)}


def final_scores(prepared: PreparedTrial, predictions: Mapping[str, Array]) -> list[Measurement]:
    """Score the test predictions. Raises TrialFailed if the score is not finite."""
    metrics = prepared.task.metrics
    labels, outputs, groups = (predictions.get(key) for key in ("labels", "outputs", "groups"))
    assert labels is not None
    assert outputs is not None
    found = scores(metrics, labels, outputs, groups)
    by_set = []
    if groups is not None and isinstance(prepared.task, DecodedTask):
        for number in np.unique(groups).tolist():
            own = groups == number
            score = scores(metrics[:1], labels[own], outputs[own])[metrics[0].name]
            by_set.append(_fact(f"score[{prepared.task.groups[number]}]", score, "fraction", "test"))
    first, chance = metrics[0].name, prepared.task.chance
    if not math.isfinite(found[first]):
        raise TrialFailed(f"the test score is not finite ({first} {found[first]})", phase="test")
    return [
        Measurement(name="score", value=found[first], unit="fraction", phase="test", source=first),
        *(() if chance is None else (_fact("chance", chance, "fraction", "test"),)),
        *(
            _fact(name, value, "fraction", "test")
            for name, value in found.items()
            if math.isfinite(value)
        ),
        *by_set,
    ]


def remembered(prepared: PreparedTrial) -> list[Measurement]:
    """Measure perplexity on text like the backbone's pretraining data, if the task holds some out."""
    if HELD_OUT not in prepared.examples:
        return []
    nats, tokens = evaluate(prepared, HELD_OUT)["outputs"].astype(np.float64).sum(axis=0)
    return [_fact("held_out_perplexity", math.exp(min(-nats / tokens, _LARGEST)), "perplexity", "test")]


def _halved(job: Job) -> list[Measurement]:
    """Record how many examples went through the model at a time, if memory forced a smaller number."""
    if job.micro_batch is None:
        return []
    return [_fact("micro_batch", job.micro_batch, "count", "set-up")]


def _record(
    job: Job,
    setting: Setting,
    measurements: Sequence[Measurement],
    outcome: Outcome = _COMPLETED,
) -> Record:
    return Record(trial=job.trial, setting=setting, outcome=outcome, measurements=tuple(measurements))


def _fact(name: str, value: float, unit: str, phase: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase=phase, source="trial")
