"""Whether stacked trials are faster than trials one by one: times the same steps both ways."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute, start_computing
from whichpeft.engine.job import Job
from whichpeft.engine.loop import take_step
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.optimisation import Optimisation
from whichpeft.engine.stacked.build import stack_up
from whichpeft.engine.stacked.loop import take_stacked_step
from whichpeft.engine.stacked.vmap import MappedOptimisation
from whichpeft.errors import CannotStack
from whichpeft.planning.batch_norm import set_training
from whichpeft.records import Measurement
from whichpeft.tasks import Array

_logger = logging.getLogger(__name__)

_STEPS = 5
_WARM_UP_STEPS = 2
# Shares of the free memory, and of what a trial takes alone: stacking and folding make copies.
_USABLE, _ROOM = 0.9, 1.2


def time_stacked(
    job: Job, trials: int, peak_bytes: float | None
) -> tuple[list[Measurement], str | None]:
    """Compare the time of a profiled method's trials as one model with their time one by one.

    Parameters
    ----------
    trials
        How many trials to stack, if memory allows.
    peak_bytes
        Peak memory of one trial.

    Returns
    -------
    list of Measurement
        `batched_trials`, the number of trials, and `batched_speedup`; empty if nothing was timed.
    str or None
        Why nothing was timed, unless the reason is that memory holds only one trial.
    """
    try:
        compute = start_computing(job.placement.device, job.trial.conditions, job.placement.precision)
        count = min(trials, _that_fit(compute, peak_bytes))
        if count < 2:
            return [], None
        jobs = [replace(job, trial=replace(job.trial, seed=seed)) for seed in range(count)]
        together = seconds_stacked(jobs, compute)  # first, since most methods that cannot end there
        apart = seconds_apart(jobs, compute)
    except Exception as error:  # a profile does not fail for this optional reading
        _logger.debug("stacked trials of %s cannot be timed", job.trial.method, exc_info=True)
        reason = " ".join(str(error).split())[:300]
        return [], f"trials of {job.trial.method} are trained one by one: {reason}"
    return [
        _fact("batched_trials", count, "count"),
        _fact("batched_speedup", apart / together, "x"),
    ], None


def seconds_stacked(jobs: Sequence[Job], compute: Compute) -> float:
    """Return the seconds per step of all trials as one model. Raises CannotStack."""
    stacked = stack_up(jobs, compute)
    prepared, stack = stacked.prepared, stacked.stack
    steps = jobs[0].trial.budget.steps(len(prepared.examples["train"]))
    methods = [job.method for job in jobs]
    optimisation = MappedOptimisation(stack, stacked.layout, methods, steps)
    set_training(prepared.model)

    def take(step: int, batches: Sequence[Array]) -> None:
        take_stacked_step(prepared, stack, batches)
        optimisation.step(step)

    return _seconds_per_step(prepared, jobs, take)


def seconds_apart(jobs: Sequence[Job], compute: Compute) -> float:
    """Return the seconds per step of all trials, one after the other."""
    prepared = prepare(jobs[0], compute)
    steps = jobs[0].trial.budget.steps(len(prepared.examples["train"]))
    optimisation = Optimisation(prepared, jobs[0].method, steps)
    set_training(prepared.model)

    def take(step: int, batches: Sequence[Array]) -> None:
        for batch in batches:  # one model's weights represent all, since only the time matters
            take_step(prepared, optimisation, prepared.parts(batch), step)

    return _seconds_per_step(prepared, jobs, take)


def _seconds_per_step(
    prepared: PreparedTrial, jobs: Sequence[Job], take: Callable[[int, Sequence[Array]], None]
) -> float:
    """Take the first steps that the trials would take as one model; return their median seconds."""
    sizes, batch_size = prepared.examples["train"].sizes, jobs[0].trial.budget.batch_size
    fewest = prepared.fewest_together
    orders = [
        training_batches(sizes, batch_size, seed=job.trial.seed, epoch=0, fewest=fewest) for job in jobs
    ]
    in_step = [batches for batches in zip(*orders, strict=True) if len(set(map(len, batches))) == 1]
    if not in_step:
        raise CannotStack("an epoch has too few batches to time the trials together")
    seconds = []
    for step in range(_WARM_UP_STEPS + _STEPS):
        prepared.compute.synchronise()
        began = time.perf_counter()
        # Always the first step of the schedule: a small budget may not have more.
        take(0, in_step[step % len(in_step)])
        prepared.compute.synchronise()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[_WARM_UP_STEPS:])


def _that_fit(compute: Compute, peak_bytes: float | None) -> int:
    """Return how many trials the free memory of an accelerator holds; 1 if that is unknown."""
    if compute.device.type != "cuda" or not peak_bytes:
        return 1
    compute.let_go()
    free, _ = torch.cuda.mem_get_info(compute.device)
    return int(_USABLE * free // (_ROOM * peak_bytes))


def _fact(name: str, value: float, unit: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase="profile", source="profile")
