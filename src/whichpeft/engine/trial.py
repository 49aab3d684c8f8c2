"""Carries out one trial: any outcome becomes a record, a failure too."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from whichpeft.engine.compute import Compute, choose_compute
from whichpeft.engine.frozen import replay_frozen
from whichpeft.engine.job import Job, Progress, Result
from whichpeft.engine.loop import Fitted, Report, evaluate, fit
from whichpeft.engine.memory import keep_freed_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.prepare import TRAINING, Prepared, prepare, start_stream, whole_adapter
from whichpeft.engine.profile import profile
from whichpeft.engine.ranks import carry_out_in_ranks
from whichpeft.engine.setting import describe_setting
from whichpeft.engine.sharded import ALONE, Group
from whichpeft.errors import TrialFailed
from whichpeft.methods import Adapter
from whichpeft.records import Measurement, Outcome, Record, Setting
from whichpeft.tasks import Array, scores

_COMPLETED = Outcome(status="completed")


def carry_out(job: Job, report: Report, *, began: float | None = None) -> Result:
    """Carry out one trial in this process, or in as many as it has shards, and say how far it is.

    began: when this process's work for it began, by `time.perf_counter`; now where not given.
    """
    if job.trial.shards > 1:
        return carry_out_in_ranks(job, report)
    return carry_out_alone(job, report, ALONE, began=began)


def carry_out_alone(job: Job, report: Report, group: Group, *, began: float | None = None) -> Result:
    """Carry out one trial, or this process's part of what a group of them does."""
    meter = Meter(began)
    setting = Setting(device=job.device, beside=job.beside)
    try:
        torch.set_num_threads(job.trial.threads)
        compute = choose_compute(group.device(job.device), job.trial.precision)
        setting = describe_setting(compute, job.beside)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if job.trial.purpose == "profile":
                measurements = profile(job, compute, meter, report, group)
                return Result(record=_record(job, setting, measurements))
            return _train(job, compute, setting, meter, report, group)
    except Exception as error:  # whatever broke a trial is a fact about it
        phase = getattr(error, "phase", None) or meter.phase_now
        outcome = Outcome(status="failed", phase=phase, reason=explain(error))
        return Result(record=_record(job, setting, meter.measurements("trial"), outcome))


def explain(error: BaseException) -> str:
    """Say in one line why a trial failed."""
    if isinstance(error, TrialFailed):
        return error.reason
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text:
        return f"out of memory: {text[:300]}"
    return f"{type(error).__name__}: {text[:500]}"


def _train(
    job: Job, compute: Compute, setting: Setting, meter: Meter, report: Report, group: Group
) -> Result:
    """Train, and test where the trial is a final one: tuning sees validation data only."""
    keep_freed_memory()
    trial = job.trial
    report(Progress(phase="set-up"))
    prepared = prepare(job, compute, group)
    measurements = list(prepared.counts)
    phases = {"train": "fit", "validation": "validate", "test": "test"}
    if trial.purpose != "final":
        del phases["test"]
    replayed = replay_frozen(prepared, job.data, phases, meter)
    if replayed is not prepared:
        prepared = replayed
        layers = len(prepared.untouched)
        measurements.append(_fact("replayed_layers", layers, "count", "set-up"))
    start_stream(trial.seed, TRAINING, group.rank)
    fitted = Fitted()
    if prepared.adapter.trains:
        fitted = fit(prepared, job, meter, report)
        measurements += [
            _fact("validation_score", fitted.best_score, "fraction", "validate"),
            _fact("best_epoch", fitted.best_epoch, "count", "validate"),
            _fact("epochs_run", fitted.epochs_run, "count", "fit"),
            _fact("steps", fitted.steps, "count", "fit"),
            _fact("examples_trained", fitted.examples, "count", "fit"),
        ]
    if trial.purpose == "tune":
        measurements.append(_fact("search_trials", job.search_trials, "count", "set-up"))
    predictions: dict[str, Array] = {}
    if trial.purpose == "final":
        with meter.phase("test"):
            report(Progress(phase="test", epoch=trial.budget.epochs))
            predictions = _test(prepared)
            measurements += _test_scores(prepared, predictions)
        if job.keep is not None:
            with meter.phase("save"):
                adapter = whole_adapter(prepared, job)
                if adapter is not None:
                    _keep(adapter, job.keep)
    measurements += [
        *(
            _fact(f"{split}_examples", len(examples), "count", "set-up")
            for split, examples in prepared.examples.items()
        ),
        *meter.measurements("trial"),
    ]
    outcome = _COMPLETED
    if fitted.behind is not None:
        outcome = Outcome(status="stopped", phase="validate", reason=fitted.behind)
    record = _record(job, setting, measurements, outcome)
    return Result(record=record, curve=fitted.curve, predictions=predictions)


def _test(prepared: Prepared) -> dict[str, Array]:
    """Return the outputs on the test split and its labels."""
    outputs = evaluate(prepared, "test")
    if not np.isfinite(outputs).all():
        raise TrialFailed("the outputs are not finite", phase="test")
    return {"outputs": outputs.astype(np.float32), "labels": prepared.examples["test"].labels}


def _test_scores(prepared: Prepared, predictions: Mapping[str, Array]) -> list[Measurement]:
    metrics = prepared.task.metrics
    found = scores(metrics, predictions["labels"], predictions["outputs"])
    first = metrics[0].name
    if not math.isfinite(found[first]):
        raise TrialFailed(f"the test score is not finite ({first} {found[first]})", phase="test")
    return [
        Measurement(name="score", value=found[first], unit="fraction", phase="test", source=first),
        _fact("chance", prepared.task.chance, "fraction", "test"),
        *(
            _fact(name, value, "fraction", "test")
            for name, value in found.items()
            if math.isfinite(value)
        ),
    ]


def _keep(adapter: Adapter, folder: Path) -> None:
    """Leave the adapter in a folder, whole or not at all."""
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    adapter.save(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _record(
    job: Job,
    setting: Setting,
    measurements: Sequence[Measurement],
    outcome: Outcome = _COMPLETED,
) -> Record:
    return Record(trial=job.trial, setting=setting, outcome=outcome, measurements=tuple(measurements))


def _fact(name: str, value: float, unit: str, phase: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase=phase, source="trial")
