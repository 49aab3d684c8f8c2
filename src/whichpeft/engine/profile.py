"""Profile: what a method costs, measured alone on the machine before its quality is.

Memory is read first, with an allocator that returns what is freed; time afterwards, with one
that keeps it, as the final trials use.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from whichpeft.engine.batches import spread, training_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.job import Job, Progress
from whichpeft.engine.loop import Optimisation, Report, take_step
from whichpeft.engine.memory import PeakMemory, keep_freed_memory, return_freed_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.prepare import (
    TRAINING,
    Prepared,
    adapter_bytes,
    prepare,
    start_stream,
    whole_adapter,
)
from whichpeft.engine.sharded import Group
from whichpeft.records import Measurement
from whichpeft.tasks import Array

_SECONDS = 1.0  # of measured steps, at most
_STEPS = 8
_FEWEST_STEPS = 4
_QUICK_STEPS = 2
_WARM_UP_STEPS = 1


def profile(job: Job, compute: Compute, meter: Meter, report: Report, group: Group) -> list[Measurement]:
    """Measure parameters, peak memory, step time and adapter size of one method."""
    report(Progress(phase="set-up"))
    return_freed_memory()
    peak = PeakMemory(compute.device)
    prepared = prepare(job, compute, group)
    peak.restart()  # what loading took beside the model is not training
    measurements = list(prepared.counts)
    start_stream(job.trial.seed, TRAINING, group.rank)
    if prepared.adapter.trains:
        measurements += _train(job, prepared, peak, meter, report)
    else:
        measurements.append(_fact("train_seconds", 0, "s"))
    with meter.phase("save"):
        adapter = whole_adapter(prepared, job)
        if adapter is not None:
            measurements.append(_fact("adapter_bytes", adapter_bytes(adapter), "B"))
    return [*measurements, *meter.measurements("profile")]


def _train(
    job: Job, prepared: Prepared, peak: PeakMemory, meter: Meter, report: Report
) -> list[Measurement]:
    budget, train = job.trial.budget, prepared.examples["train"]
    steps = budget.steps(len(train))
    epoch = training_batches(train.sizes, budget.batch_size, seed=job.trial.seed, epoch=0)
    full = [batch for batch in epoch if len(batch) == budget.batch_size] or epoch
    optimisation = Optimisation(prepared, job.method, steps)
    prepared.model.train()
    # Well into training, where a method that changes its shape on the way has nearly its final one.
    step = steps * 6 // 10
    with meter.phase("warm-up"):
        # The optimiser's state is made by a first step, of any size; the peak is the largest batch's.
        by_size = sorted(full, key=lambda batch: int(train.sizes[batch].max()))
        for batch in (by_size[0], by_size[-1]):
            take_step(prepared, optimisation, prepared.parts(batch), step)
            step += 1
        prepared.compute.synchronise()
        peak_bytes = peak.measure()
        if peak_bytes is not None:  # of the fullest device, which is the one that may be too small
            peak_bytes = int(prepared.group.largest(peak_bytes))
        keep_freed_memory()
        chosen = spread(full, train.sizes, _QUICK_STEPS if job.quick else _STEPS)
        for batch in chosen[-_WARM_UP_STEPS:]:
            take_step(prepared, optimisation, prepared.parts(batch), step)
            step += 1
        prepared.compute.synchronise()
    with meter.phase("fit"):
        report(Progress(phase="fit"))
        seconds, done = _time_steps(prepared, optimisation, chosen, step)
    measurements = _rates(seconds, done, train.tokens, steps)
    if peak_bytes is not None:
        measurements.append(_fact("peak_memory_bytes", peak_bytes, "B"))
    return measurements


def _time_steps(
    prepared: Prepared, optimisation: Optimisation, batches: list[Array], step: int
) -> tuple[list[float], list[Array]]:
    """Time steps on batches in an order whose every beginning stands for all sizes."""
    order = sorted(range(len(batches)), key=lambda i: (i * 7) % len(batches))
    seconds: list[float] = []
    done: list[Array] = []
    for i in order:
        if len(seconds) >= _FEWEST_STEPS and sum(seconds) > _SECONDS:
            break
        prepared.compute.synchronise()
        began = time.perf_counter()
        take_step(prepared, optimisation, prepared.parts(batches[i]), step)
        prepared.compute.synchronise()
        # All processes of a group have to stop after the same step.
        seconds.append(prepared.group.largest(time.perf_counter() - began))
        done.append(batches[i])
        step += 1
    return seconds, done


def _rates(
    seconds: list[float], batches: list[Array], tokens: Array | None, steps: int
) -> list[Measurement]:
    low, middle, high = np.percentile(np.array(seconds) * 1000, [25, 50, 75])
    total = sum(seconds)
    measurements = [
        Measurement(
            name="step_milliseconds",
            value=float(middle),
            unit="ms",
            phase="profile",
            source="profile",
            low=float(low),
            high=float(high),
        ),
        # The mean, not the median: batches differ in size, and a trial meets all of them.
        _fact("train_seconds", statistics.fmean(seconds) * steps, "s"),
        _fact("samples_per_second", sum(map(len, batches)) / total, "1/s"),
    ]
    if tokens is not None:
        read = sum(int(tokens[batch].sum()) for batch in batches)
        measurements.append(_fact("tokens_per_second", read / total, "1/s"))
    return measurements


def _fact(name: str, value: float, unit: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase="profile", source="profile")
