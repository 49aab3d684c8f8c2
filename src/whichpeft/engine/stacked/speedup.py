"""Whether trials as one model are quicker than one by one: the same steps, taken both ways."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.job import Job
from whichpeft.engine.loop import Optimisation, take_step
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.stacked.build import stack_up
from whichpeft.engine.stacked.loop import take_stacked_step
from whichpeft.engine.stacked.vmap import MappedOptimisation
from whichpeft.errors import CannotStack
from whichpeft.records import Measurement
from whichpeft.tasks import Array

_STEPS = 5
_WARM_UP_STEPS = 2
# Of the memory that is free, and of what a trial takes alone: stacking and folding copy on the way.
_USABLE, _ROOM = 0.9, 1.2


def time_stacked(
    job: Job, trials: int, compute: Compute, peak_bytes: float | None
) -> tuple[list[Measurement], str | None]:
    """Time a profiled method's trials as one model against one by one.

    peak_bytes: of one trial. Returns `batched_trials`, how many there were, and `batched_speedup`, how
    many times as quick; nothing where memory holds one trial, and the reason where it is another one.
    """
    count = min(trials, _that_fit(compute, peak_bytes))
    if count < 2:
        return [], None
    jobs = [replace(job, trial=replace(job.trial, seed=seed)) for seed in range(count)]
    try:
        apart = seconds_apart(jobs, compute)
        together = seconds_stacked(jobs, compute)
    except Exception as error:  # a reading that can be done without does not fail a profile
        reason = " ".join(str(error).split())[:300]
        return [], f"{job.trial.method} is trained trial by trial: {reason}"
    return [
        _fact("batched_trials", count, "count"),
        _fact("batched_speedup", apart / together, "x"),
    ], None


def seconds_stacked(jobs: Sequence[Job], compute: Compute) -> float:
    """Return the seconds of a step of all trials as one model. Raises CannotStack."""
    stacked = stack_up(jobs, compute)
    prepared, stack = stacked.prepared, stacked.stack
    steps = jobs[0].trial.budget.steps(len(prepared.examples["train"]))
    methods = [job.method for job in jobs]
    optimisation = MappedOptimisation(stack, stacked.layout, methods, steps)
    prepared.model.train()

    def take(step: int, batches: Sequence[Array]) -> None:
        take_stacked_step(prepared, stack, batches)
        optimisation.step(step)

    return _seconds_a_step(prepared, jobs, take)


def seconds_apart(jobs: Sequence[Job], compute: Compute) -> float:
    """Return the seconds of a step of each trial, one after the other."""
    prepared = prepare(jobs[0], compute)
    steps = jobs[0].trial.budget.steps(len(prepared.examples["train"]))
    optimisation = Optimisation(prepared, jobs[0].method, steps)
    prepared.model.train()

    def take(step: int, batches: Sequence[Array]) -> None:
        for batch in batches:  # one model's weights stand for all: only the time is of interest
            take_step(prepared, optimisation, prepared.parts(batch), step)

    return _seconds_a_step(prepared, jobs, take)


def _seconds_a_step(
    prepared: PreparedTrial, jobs: Sequence[Job], take: Callable[[int, Sequence[Array]], None]
) -> float:
    """Take the first steps that the trials would take together; return their median seconds."""
    sizes, batch_size = prepared.examples["train"].sizes, jobs[0].trial.budget.batch_size
    orders = [training_batches(sizes, batch_size, seed=job.trial.seed, epoch=0) for job in jobs]
    in_step = [batches for batches in zip(*orders, strict=True) if len(set(map(len, batches))) == 1]
    if not in_step:
        raise CannotStack("an epoch has too few batches to time them together")
    seconds = []
    for step in range(_WARM_UP_STEPS + _STEPS):
        prepared.compute.synchronise()
        began = time.perf_counter()
        # The schedule's first step again and again: a small budget has no more.
        take(0, in_step[step % len(in_step)])
        prepared.compute.synchronise()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARM_UP_STEPS:])


def _that_fit(compute: Compute, peak_bytes: float | None) -> int:
    """Return how many trials the free memory of an accelerator holds; 1 where that is not known."""
    if compute.device.type != "cuda" or not peak_bytes:
        return 1
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(compute.device)
    return int(_USABLE * free // (_ROOM * peak_bytes))


def _fact(name: str, value: float, unit: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase="profile", source="profile")
