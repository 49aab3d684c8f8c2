"""What a trained method costs in use: latency, also when merged, loading, switching."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.engine.batches import evaluation_batches, spread
from whichpeft.engine.compute import Compute, store_frozen_weights
from whichpeft.engine.job import Job
from whichpeft.engine.loop import predict
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.profile_budget import ProfileBudget
from whichpeft.engine.profiling.timing_rounds import fact, quartiles, read_in_rounds
from whichpeft.records import Measurement
from whichpeft.tasks import Array, Task

T = TypeVar("T")

_logger = logging.getLogger(__name__)
_SWITCHES = ("other", "default") * 3


def ready_for_use(prepared: PreparedTrial) -> None:
    """End training: no weight has a gradient, and linear weights are stored as they are multiplied.

    Otherwise autocast would cast the trained weights again for every example, which nobody deploys.
    """
    prepared.model.requires_grad_(False)
    prepared.model.eval()
    store_frozen_weights(prepared.model, prepared.compute.precision)


def measure_latency(
    budget: ProfileBudget,
    prepared: PreparedTrial,
    model: torch.nn.Module | None = None,
    *,
    prefix: str = "",
) -> list[Measurement]:
    """Time the outputs of one example, from encoded inputs on the host to outputs on the host.

    Examples of the validation split represent all lengths. Each is first read once without being
    recorded, since a shape takes longer the first time.

    Parameters
    ----------
    model
        Another form of the prepared model, such as the merged one.
    """
    sizes = prepared.examples["validation"].sizes
    singles = evaluation_batches(sizes, 1)
    return _measure(budget, prepared, model, spread(singles, sizes, budget.examples),
                    f"{prefix}inference_milliseconds")  # fmt: skip


def measure_batch_latency(job: Job, budget: ProfileBudget, prepared: PreparedTrial) -> list[Measurement]:
    """Time the outputs of a batch of the study's size, with examples of similar length."""
    sizes, size = prepared.examples["validation"].sizes, job.trial.budget.batch_size
    batches = evaluation_batches(sizes, size)
    whole = [batch for batch in batches if len(batch) == size] or batches
    return _measure(budget, prepared, None, spread(whole, sizes, budget.batches),
                    "batch_inference_milliseconds")  # fmt: skip


def _measure(
    budget: ProfileBudget,
    prepared: PreparedTrial,
    model: torch.nn.Module | None,
    inputs: Sequence[Array],
    name: str,
) -> list[Measurement]:
    examples = prepared.examples["validation"]

    def read(indices: Array) -> tuple[float, ...]:
        batch = examples.batch(indices)
        prepared.compute.synchronise()
        began = time.perf_counter()
        predict(prepared, batch, model)
        return (time.perf_counter() - began,)

    began, took = time.perf_counter(), 0.0
    for indices in inputs:
        spent = time.perf_counter() - began
        if spent > budget.latency_seconds or took > budget.latency_seconds / 4:
            break  # the extra time of a new shape is small compared with a reading this long
        (took,) = read(indices)
    readings = read_in_rounds(
        inputs, read, seconds=budget.latency_seconds, rounds=budget.rounds - 1, stable=budget.stable
    )
    times = readings.times()
    return [
        quartiles(name, times),
        fact(f"{name}_p95", float(np.percentile(times, 95)) * 1000, "ms"),
    ]


def measure_merged(job: Job, budget: ProfileBudget, prepared: PreparedTrial) -> list[Measurement]:
    """Merge the adapter, if it can be, and time one example again; this ends the adapter.

    If there is nothing to merge, the model is the same and nothing is measured.
    """
    if not job.method.info.merges:
        return []
    before = _module_names(prepared.model)
    try:
        merged = prepared.adapter.merge()
    except ValueError:  # a method that merges may not be able to with some options
        return []
    if _module_names(merged) == before:
        return []
    merged.eval()
    return measure_latency(budget, prepared, merged, prefix="merged_")


def _module_names(model: torch.nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules()]


def measure_loading(job: Job, task: Task, compute: Compute, folder: Path) -> list[Measurement]:
    """Time loading a saved adapter onto a backbone in memory, and switching between two adapters.

    Switching is PEFT's ``set_adapter``, if the method supports it.
    """
    model = task.build(job.backbone).to(compute.device)
    seconds, loaded = _timed(lambda: job.method.load(model, folder).to(compute.device), compute)
    found = [fact("load_milliseconds", seconds * 1000, "ms")]
    switch = _switcher(job, loaded, folder)
    if switch is None:
        return found
    times = [_timed(partial(switch, name), compute)[0] for name in _SWITCHES]
    return [*found, quartiles("switch_milliseconds", np.array(times))]


def _switcher(job: Job, model: torch.nn.Module, folder: Path) -> Callable[[str], None] | None:
    """Load the adapter a second time; return a function that switches between the two, or None."""
    import peft

    if not (job.method.info.several_adapters and isinstance(model, peft.PeftModel)):
        return None
    if not (folder / "adapter_config.json").is_file():
        return None
    try:
        with quiet_warnings():
            model.load_adapter(str(folder), adapter_name="other")
        model.set_adapter("other")
        model.set_adapter("default")
    except Exception:  # of many kinds, from tuners that hold one adapter only: they cannot switch
        _logger.debug("%s cannot switch between two adapters", job.method.name, exc_info=True)
        return None
    switch: Callable[[str], None] = model.set_adapter
    return switch


def _timed(work: Callable[[], T], compute: Compute) -> tuple[float, T]:
    compute.synchronise()
    began = time.perf_counter()
    result = work()
    compute.synchronise()
    return time.perf_counter() - began, result
