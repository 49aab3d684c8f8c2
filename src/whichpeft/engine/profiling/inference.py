"""What a trained method costs in use: latency, also when merged, loading, switching."""

from __future__ import annotations

import dataclasses
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
from whichpeft.engine.evaluation import predict
from whichpeft.engine.job import Job
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.profiling.budget import ProfileBudget
from whichpeft.engine.profiling.timing_rounds import fact, quartiles, read_in_rounds
from whichpeft.engine.weights.tied_head import keep_cast_heads
from whichpeft.records import Measurement
from whichpeft.tasks import Array, DecodedTask, Task

T = TypeVar("T")

_logger = logging.getLogger(__name__)
_SWITCHES = ("other", "default") * 3
_COMPARED = 4  # examples whose outputs are compared before and after merging
# How far these outputs may differ, relative to the largest. In float32 only the order of sums differs,
# which shows in the fifth digit; weights in bfloat16 are rounded after the second.
_SAME_ANSWERS = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 1e-2}


def ready_for_use(prepared: PreparedTrial) -> None:
    """End training: no weight has a gradient, and linear weights are stored as they are multiplied.

    Otherwise autocast would cast the trained weights again for every example, which nobody deploys.
    """
    prepared.model.requires_grad_(False)
    prepared.model.eval()
    store_frozen_weights(prepared.model, prepared.compute.precision)
    keep_cast_heads(prepared.model, prepared.compute.precision)


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

    If there is nothing to merge, the model is the same and nothing is measured. If the merged model
    answers otherwise, its latency is left out, and ``not_merged`` has the reason as its source.
    """
    if not job.method.info.merges:
        return []
    before = _module_names(prepared.model)
    exact = _in_float32(prepared)
    answers = _answers(exact, prepared.model)
    try:
        merged = prepared.adapter.merge()
    except ValueError as error:  # a method that merges may not be able to with some options
        return [fact("not_merged", 1, "count", str(error))]
    if _module_names(merged) == before:
        return []
    merged.eval()
    apart = float(np.abs(_answers(exact, merged) - answers).max() / max(np.abs(answers).max(), 1e-6))
    if not apart <= _SAME_ANSWERS[exact.compute.precision]:
        reason = f"the merged model's outputs differ by {apart:.1%} of the largest"
        return [fact("not_merged", apart, "fraction", reason)]
    store_frozen_weights(merged, prepared.compute.precision)
    keep_cast_heads(merged, prepared.compute.precision)
    return [
        fact("merged_difference", apart, "fraction"),
        *measure_latency(budget, prepared, merged, prefix="merged_"),
    ]


def _in_float32(prepared: PreparedTrial) -> PreparedTrial:
    """Compute in float32 from now on, in place, to compare outputs before and after merging.

    Quantised weights stay as they are, and so does a model for which memory is too small.
    """
    compute = prepared.compute
    quantised = prepared.backbone is not None and prepared.backbone.quantise is not None
    if compute.precision == "float32" or quantised:
        return prepared
    try:
        for parameter in prepared.model.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.float()
    except (MemoryError, torch.OutOfMemoryError):
        store_frozen_weights(prepared.model, compute.precision)
        keep_cast_heads(prepared.model, compute.precision)
        return prepared
    return dataclasses.replace(prepared, compute=Compute(compute.device, "float32"))


def _answers(prepared: PreparedTrial, model: torch.nn.Module) -> Array:
    """Return outputs for a few examples; for a task that decodes its outputs, the loss of each."""
    if not isinstance(prepared.task, DecodedTask):
        validation = prepared.examples["validation"]
        return predict(prepared, validation.batch(np.arange(min(_COMPARED, len(validation)))), model)
    train, losses = prepared.examples["train"], []
    for i in range(min(_COMPARED, len(train))):
        with torch.inference_mode(), prepared.compute.autocast():
            batch = prepared.compute.place(train.batch(np.array([i])))
            losses.append(float(prepared.task.loss(model, batch)))
    return np.array(losses)


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
