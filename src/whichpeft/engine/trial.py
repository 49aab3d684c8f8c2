"""Carries out one trial: any outcome becomes a record, a failure too."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch

from whichpeft.engine.compute import Compute, choose_compute
from whichpeft.engine.job import Job, Progress, Result
from whichpeft.engine.loop import Report, evaluate, fit
from whichpeft.engine.memory import keep_freed_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.prepare import TRAINING, prepare, start_stream
from whichpeft.engine.profile import profile
from whichpeft.engine.setting import describe_setting
from whichpeft.errors import TrialFailed
from whichpeft.records import Measurement, Outcome, Record, Setting
from whichpeft.tasks import scores


def carry_out(job: Job, report: Report) -> Result:
    """Carry out a profile or a final trial in this process, and say how far it is on the way."""
    meter = Meter()
    setting = Setting(device=job.device, beside=job.beside)
    try:
        torch.set_num_threads(job.trial.threads)
        compute = choose_compute(job.device, job.trial.precision)
        setting = describe_setting(compute, job.beside)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if job.trial.purpose == "profile":
                measurements = profile(job, compute, meter, report)
                return _completed(job, setting, measurements)
            return _final(job, compute, setting, meter, report)
    except Exception as error:  # whatever broke a trial is a fact about it
        phase = getattr(error, "phase", None) or meter.phase_now
        outcome = Outcome(status="failed", phase=phase, reason=explain(error))
        return Result(
            record=Record(
                trial=job.trial,
                setting=setting,
                outcome=outcome,
                measurements=tuple(meter.measurements("trial")),
            )
        )


def explain(error: BaseException) -> str:
    """Say in one line why a trial failed."""
    if isinstance(error, TrialFailed):
        return error.reason
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text:
        return f"out of memory: {text[:300]}"
    return f"{type(error).__name__}: {text[:500]}"


def _final(job: Job, compute: Compute, setting: Setting, meter: Meter, report: Report) -> Result:
    keep_freed_memory()
    trial = job.trial
    report(Progress(phase="set-up"))
    prepared = prepare(job, compute)
    measurements = list(prepared.counts)
    start_stream(trial.seed, TRAINING)
    curve: list[tuple[int, str, float]] = []
    if prepared.adapter.trains:
        fitted = fit(prepared, job.method, trial.budget, trial.seed, meter, report)
        curve = fitted.curve
        measurements += [
            _fact("validation_score", fitted.best_score, "fraction", "validate"),
            _fact("best_epoch", fitted.best_epoch, "count", "validate"),
            _fact("epochs_run", fitted.epochs_run, "count", "fit"),
            _fact("steps", fitted.steps, "count", "fit"),
        ]
    with meter.phase("test"):
        report(Progress(phase="test", epoch=trial.budget.epochs))
        outputs = evaluate(prepared, "test")
        labels = prepared.examples["test"].labels
        if not np.isfinite(outputs).all():
            raise TrialFailed("the outputs are not finite", phase="test")
        found = scores(prepared.task.metrics, labels, outputs)
        first = prepared.task.metrics[0].name
        if not math.isfinite(found[first]):
            raise TrialFailed(f"the test score is not finite ({first} {found[first]})")
    measurements += [
        Measurement(name="score", value=found[first], unit="fraction", phase="test", source=first),
        _fact("chance", prepared.task.chance, "fraction", "test"),
        *(
            _fact(name, value, "fraction", "test")
            for name, value in found.items()
            if math.isfinite(value)
        ),
        *(
            _fact(f"{split}_examples", len(examples), "count", "set-up")
            for split, examples in prepared.examples.items()
        ),
        *meter.measurements("trial"),
    ]
    return Result(
        record=Record(
            trial=trial,
            setting=setting,
            outcome=Outcome(status="completed"),
            measurements=tuple(measurements),
        ),
        curve=curve,
        predictions={"outputs": outputs.astype(np.float32), "labels": labels},
    )


def _completed(job: Job, setting: Setting, measurements: list[Measurement]) -> Result:
    outcome = Outcome(status="completed")
    return Result(
        record=Record(
            trial=job.trial, setting=setting, outcome=outcome, measurements=tuple(measurements)
        )
    )


def _fact(name: str, value: float, unit: str, phase: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase=phase, source="trial")
