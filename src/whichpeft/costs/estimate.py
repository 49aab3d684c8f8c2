"""The costs of training one method on one backbone, from shapes alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from whichpeft.backbones import Backbone
from whichpeft.costs.memory import LIBRARY_BYTES, Footprint, at_batch, at_depth, peak
from whichpeft.costs.step import FakeBench, Trace
from whichpeft.engine.compute import Compute
from whichpeft.engine.prepare import count_parameters
from whichpeft.methods import Method
from whichpeft.planning import Sketch, make_sketch, treats_layers_alike
from whichpeft.tasks import Task

PRECISIONS = ("float32", "bfloat16")
# Two depths show what a layer adds: the lowest layer alone needs no gradient of its input.
_DEPTHS = (2, 3)
_SHALLOW = 4  # up to here a whole model is as quick
_ALIKE: dict[str, bool] = {}  # by configuration: every method asks


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a method costs. Memory by (precision, checkpointed); None where it cannot be said.

    counts: parameters, as in a record. flops_per_sample: forward and backward of a step at the batch
    asked for, without checkpointing, divided by its size.
    """

    counts: dict[str, int]
    adapter_bytes: int | None
    memory: dict[tuple[str, bool], Footprint] = field(default_factory=dict)
    flops_per_sample: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Whose costs are asked for, on which device and with which batches."""

    method: Method
    backbone: Backbone
    task: Task
    compute: Compute
    batch_size: int
    length: int
    same_targets: bool = True

    def depths(self) -> tuple[int, ...]:
        """Return the depths to look at: two small ones where these tell of the whole."""
        whole = self.backbone.depth or 0
        alike = treats_layers_alike(self.method, self.backbone) and whole > _SHALLOW
        return _DEPTHS if alike and _layers_are_alike(self.backbone, self.task) else (whole,)

    def at(self, depth: int) -> Backbone:
        return self.backbone if depth in (0, self.backbone.depth) else self.backbone.with_depth(depth)

    def sketch(self, depth: int) -> Sketch:
        return make_sketch(self.method, self.at(depth), self.task, same_targets=self.same_targets)


def estimate_costs(question: Question, *, typical_length: int | None = None) -> Costs:
    """Estimate counts, adapter size, memory and FLOPs.

    typical_length: of examples, to count FLOPs at, where it is not the length that memory is asked at.
    """
    depths, whole = question.depths(), question.backbone.depth or 0
    counts: dict[int, dict[str, int]] = {}
    sizes: dict[int, int | None] = {}
    traces: dict[tuple[str, bool], dict[int, Trace]] = {}
    typical: dict[int, Trace] = {}
    device, trains = question.compute.device, True
    for depth in depths:
        batch = _batch(question, depth, question.batch_size, question.length)
        for precision in PRECISIONS:
            sketch = question.sketch(depth)
            counts[depth] = _count(sketch)
            trains = sketch.adapter.trains
            bench = FakeBench(sketch, question.method, question.task, Compute(device, precision))
            if precision == PRECISIONS[0]:
                sizes[depth] = bench.saved_bytes()
            if not trains:
                continue
            plain = _step(bench, batch)
            if plain is None:
                continue
            traces.setdefault((precision, False), {})[depth] = plain
            if precision == question.compute.precision and typical_length is not None:
                other = _batch(question, depth, question.batch_size, typical_length)
                typical[depth] = bench.step(other)
            kept = _step(bench, batch) if bench.checkpoint() else None
            # Checkpointing may leave a method's parts out of the backward pass.
            if kept is not None and kept.gradients == plain.gradients:
                traces.setdefault((precision, True), {})[depth] = kept
    memory = {
        key: peak(at_depth(found, whole)) for key, found in traces.items() if len(found) == len(depths)
    }
    if device.type == "cpu":
        memory = {key: _with_libraries(found, key[0]) for key, found in memory.items()}
    counted = typical or traces.get((question.compute.precision, False))
    flops = at_depth(counted, whole).flops / question.batch_size if counted else None
    return Costs(
        counts={
            name: _at(lambda depth, name=name: counts[depth][name], depths, whole)  # type: ignore[misc]
            for name in counts[depths[0]]
        },
        adapter_bytes=None
        if None in sizes.values()
        else _at(lambda depth: sizes[depth] or 0, depths, whole),
        memory=memory,
        flops_per_sample=flops if trains else 0.0,
    )


def largest_batch(question: Question, memory: int) -> int:
    """Return the largest batch whose training fits in `memory` bytes, 0 where not even one does.

    Two sizes tell what an example adds; what they lead to is tried.
    """

    def traces_at(size: int) -> dict[int, Trace]:
        found = {}
        for depth in question.depths():
            bench = _bench(question, depth)
            found[depth] = bench.step(_batch(question, depth, size, question.length))
        return found

    whole = question.backbone.depth or 0
    cpu = question.compute.device.type == "cpu"
    spare = memory - (LIBRARY_BYTES[question.compute.precision] if cpu else 0)
    known: dict[int, Trace] = {}
    for size in (1, 2 * question.batch_size):
        known[size] = at_depth(traces_at(size), whole)
    if peak(known[1]).total > spare:
        return 0
    size = _last(lambda size: peak(at_batch(known, size)).total <= spare)
    while size > 1 and peak(at_depth(traces_at(size), whole)).total > spare:
        size -= max(1, size // 100)
    return size


def _last(fits: Callable[[int], bool]) -> int:
    """Return the last size that fits, where 1 does: doubling, then halving."""
    low, high = 1, 2
    while fits(high) and high < 1 << 30:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _bench(question: Question, depth: int) -> FakeBench:
    return FakeBench(question.sketch(depth), question.method, question.task, question.compute)


def _step(bench: FakeBench, batch: dict[str, Any]) -> Trace | None:
    """Take a step; None where the method looks at content, or does not bear checkpointing."""
    try:
        return bench.step(batch)
    except Exception:  # of many kinds; what works at all was found by the probe
        return None


def _count(sketch: Sketch) -> dict[str, int]:
    base = sum(size for name, size in sketch.sizes.items() if name not in sketch.head)
    counts = count_parameters(sketch.adapter, sketch.sizes, sketch.head)
    return counts | {"base_parameters": base}


def _batch(question: Question, depth: int, size: int, length: int) -> dict[str, Any]:
    with torch.device("meta"):
        return question.task.blank(question.at(depth), size, length)


def _layers_are_alike(backbone: Backbone, task: Task) -> bool:
    """Whether two depths lead on to the parameters that the whole model has."""
    config = json.dumps(backbone.config, sort_keys=True, default=str)
    if config not in _ALIKE:
        _ALIKE[config] = _lead_on(backbone, task)
    return _ALIKE[config]


def _lead_on(backbone: Backbone, task: Task) -> bool:
    def parameters(of: Backbone) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in task.sketch(of).parameters())

    low, high = (parameters(backbone.with_depth(depth)) for depth in _DEPTHS)
    whole = backbone.depth or 0
    return parameters(backbone) == low + (whole - _DEPTHS[0]) * (high - low)


def _with_libraries(footprint: Footprint, precision: str) -> Footprint:
    return Footprint(
        weights=footprint.weights,
        gradients=footprint.gradients,
        optimizer=footprint.optimizer,
        activations=footprint.activations + LIBRARY_BYTES[precision],
    )


def _at(value: Callable[[int], int], depths: tuple[int, ...], whole: int) -> int:
    """Return a value at the whole depth, which grows by the same with each layer."""
    low = value(depths[0])
    return low if len(depths) == 1 else low + (whole - depths[0]) * (value(depths[1]) - low)
