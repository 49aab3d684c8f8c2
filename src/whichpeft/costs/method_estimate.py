"""Estimates the costs of training one method on one backbone, from shapes alone."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass

import torch

from whichpeft.backbones import Backbone
from whichpeft.costs.memory import LIBRARY_BYTES, Footprint, Unalike, at_depth, peak
from whichpeft.costs.step import FakeBench, Trace
from whichpeft.engine.compute import Compute
from whichpeft.engine.model_setup import count_parameters
from whichpeft.methods import Method
from whichpeft.planning import MetaModel, build_meta_model, treats_layers_alike
from whichpeft.planning.fake_tensors import quiet_fakes
from whichpeft.tasks import Batch, Task

# Two depths show what one layer adds. One layer would not do: the lowest needs no gradient of its input.
_DEPTHS = (2, 3)
_SHALLOW = 4  # up to this depth, tracing the whole model is as fast
_ALIKE: dict[str, bool] = {}  # by configuration, since every method needs it
_MOST = 1 << 20  # the largest batch considered
_TRIES = 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a method costs, in the requested precision; unknown values are None."""

    counts: dict[str, int]
    """Numbers of parameters, named as in a record, and those of the backbone."""

    adapter_bytes: int | None
    """Size of the saved adapter."""

    memory: Footprint | None = None
    """Memory of training as requested."""

    checkpointed_memory: Footprint | None = None
    """Memory of training with gradient checkpointing."""

    flops_per_sample: float | None = None
    """FLOPs of the forward and backward pass of a step, divided by the size of its batch."""

    trace: Trace | None = None
    """The trace of a step."""

    depths: tuple[int, ...] = ()
    """Depths of the models that were traced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostQuery:
    """A training whose costs are wanted."""

    method: Method
    """The method."""

    backbone: Backbone
    """The pretrained model; only its configuration is needed."""

    task: Task
    """The task."""

    compute: Compute
    """Device and precision."""

    batch_size: int
    """How many examples go through the model at a time."""

    length: int
    """Length of each example."""

    same_targets: bool = True
    """Whether all methods adapt the same modules."""

    in_parts: bool = False
    """Whether the examples are only one micro-batch of a batch."""

    gradient_checkpointing: bool = False
    """Whether activations are recomputed."""

    shards: int = 1
    """Number of processes that share the model; the memory is that of one of them."""

    def depths(self) -> tuple[int, ...]:
        """Return the depths to trace: two small ones if they determine the whole model."""
        whole = self.backbone.depth or 0
        alike = treats_layers_alike(self.method, self.backbone) and whole > _SHALLOW
        return _DEPTHS if alike and _layers_are_alike(self.backbone, self.task) else (whole,)

    def at(self, depth: int) -> Backbone:
        return self.backbone if depth in (0, self.backbone.depth) else self.backbone.with_depth(depth)

    def meta_model(self, depth: int) -> MetaModel:
        return build_meta_model(self.method, self.at(depth), self.task, same_targets=self.same_targets)

    def bench(self, meta_model: MetaModel) -> FakeBench:
        """Prepare a meta model for steps under these conditions."""
        bench = FakeBench(meta_model, self.method, self.task, self.compute)
        if self.gradient_checkpointing:
            bench.checkpoint()
        return bench

    def peak(self, trace: Trace) -> Footprint:
        return peak(trace, in_parts=self.in_parts, shards=self.shards)


def estimate_costs(query: CostQuery, *, typical_length: int | None = None) -> Costs:
    """Estimate counts, adapter size, memory and FLOPs.

    Parameters
    ----------
    typical_length
        Length of examples to count FLOPs at; by default the query's length.
    """
    try:
        return _estimate(query, query.depths(), typical_length)
    except Unalike:
        return _estimate(query, (query.backbone.depth or 0,), typical_length)


def _estimate(query: CostQuery, depths: tuple[int, ...], typical_length: int | None) -> Costs:
    whole = query.backbone.depth or 0
    compute = query.compute
    counts: dict[int, dict[str, int]] = {}
    sizes: dict[int, int | None] = {}
    plain: dict[int, Trace] = {}
    kept: dict[int, Trace] = {}
    typical: dict[int, Trace] = {}
    trains = True
    for depth in depths:
        batch = _batch(query, depth, query.batch_size, query.length)
        meta_model = query.meta_model(depth)
        counts[depth], trains = _count(meta_model), meta_model.adapter.trains
        bench = query.bench(meta_model)
        sizes[depth] = bench.saved_bytes()
        step = _step(bench, batch) if trains else None
        if step is None:
            continue
        plain[depth] = step
        if typical_length is not None:
            other = _batch(query, depth, query.batch_size, typical_length)
            typical[depth] = bench.step(other)
        again = _step(bench, batch) if bench.checkpoint() else None
        # Gradient checkpointing may leave parts of a method out of the backward pass.
        if again is not None and again.gradients == step.gradients:
            kept[depth] = again

    def footprint(found: dict[int, Trace]) -> Footprint | None:
        if len(found) < len(depths):
            return None
        whole_step = query.peak(at_depth(found, whole))
        if compute.device.type != "cpu":
            return whole_step
        more = whole_step.activations + LIBRARY_BYTES[compute.precision]
        return dataclasses.replace(whole_step, activations=more)

    counted = typical or plain
    flops = at_depth(counted, whole).flops / query.batch_size if counted else None
    return Costs(
        counts=_counts_at_depth(counts, whole),
        adapter_bytes=_at_depth(sizes, whole),
        memory=footprint(plain),
        checkpointed_memory=footprint(kept),
        flops_per_sample=flops if trains else 0.0,
        trace=at_depth(plain, whole) if plain else None,
        depths=depths,
    )


def count_at_depth(query: CostQuery) -> dict[str, int]:
    """Return only the numbers of parameters, which takes no step."""
    depths, whole = query.depths(), query.backbone.depth or 0
    return _counts_at_depth({depth: _count(query.meta_model(depth)) for depth in depths}, whole)


def count_flops(query: CostQuery) -> float | None:
    """Return the FLOPs of training on one example, forward and backward; None if unknown."""
    whole = query.backbone.depth or 0
    try:
        with quiet_fakes():
            try:
                return _flops(query, query.depths())
            except Unalike:
                return _flops(query, (whole,))
    except Exception:  # a method that cannot work was refused before; this count stays unknown
        _logger.debug("cannot count the FLOPs of %s", query.method.name, exc_info=True)
        return None


def _flops(query: CostQuery, depths: tuple[int, ...]) -> float:
    traces = {}
    for depth in depths:
        meta_model = query.meta_model(depth)
        if not meta_model.adapter.trains:
            return 0.0
        bench = FakeBench(meta_model, query.method, query.task, query.compute)
        batch = _batch(query, depth, query.batch_size, query.length)
        traces[depth] = bench.step(batch)
    return at_depth(traces, query.backbone.depth or 0).flops / query.batch_size


def largest_batch(query: CostQuery, costs: Costs, memory: int) -> int | None:
    """Return the largest batch whose training fits in `memory` bytes; 0 if not even one example does.

    The next size to try comes from a straight line through the known ones, until the largest that fits
    is known to within 2 %. The result is None if the memory is unknown.
    """
    if costs.trace is None:
        return None
    cpu = query.compute.device.type == "cpu"
    spare = memory - (LIBRARY_BYTES[query.compute.precision] if cpu else 0)
    known = {query.batch_size: query.peak(costs.trace).total}
    low, high, size = 0, _MOST, query.batch_size
    for _ in range(_TRIES):
        if size not in known:
            known[size] = _peak_at(query, costs, size)
        low, high = (max(low, size), high) if known[size] <= spare else (low, min(high, size))
        if high - low <= max(1, low // 50):
            break
        size = min(max(_line(known, spare), low + 1), high - 1)
    return low


def _line(known: dict[int, int], spare: int) -> int:
    """Return the size at which the line through the two known sizes nearest to `spare` reaches it."""
    first, *others = sorted(known, key=lambda size: abs(known[size] - spare))
    second = next((size for size in others if known[size] != known[first]), None)
    if second is None:
        return 2 * first if known[first] <= spare else first // 2
    slope = (known[second] - known[first]) / (second - first)
    return int(first + (spare - known[first]) / slope) if slope > 0 else first // 2


def _peak_at(query: CostQuery, costs: Costs, size: int) -> int:
    traces = {}
    for depth in costs.depths:
        bench = query.bench(query.meta_model(depth))
        traces[depth] = bench.step(_batch(query, depth, size, query.length))
    return query.peak(at_depth(traces, query.backbone.depth or 0)).total


def _step(bench: FakeBench, batch: Batch) -> Trace | None:
    """Take a step; None if the method reads content or breaks under gradient checkpointing."""
    try:
        return bench.step(batch)
    except Exception:  # of many kinds; the probe has found what works at all
        _logger.debug("cannot trace a step without weights", exc_info=True)
        return None


def _count(meta_model: MetaModel) -> dict[str, int]:
    base = sum(size for name, size in meta_model.sizes.items() if name not in meta_model.head)
    counts = count_parameters(meta_model.adapter, meta_model.sizes, meta_model.head)
    return counts | {"base_parameters": base}


def _batch(query: CostQuery, depth: int, size: int, length: int) -> Batch:
    with torch.device("meta"):
        return query.task.dummy_batch(query.at(depth), size, length)


def _layers_are_alike(backbone: Backbone, task: Task) -> bool:
    """Whether two depths determine the number of parameters of the whole model."""
    config = json.dumps(backbone.config, sort_keys=True, default=str)
    if config not in _ALIKE:
        _ALIKE[config] = _determine_whole(backbone, task)
    return _ALIKE[config]


def _determine_whole(backbone: Backbone, task: Task) -> bool:
    def parameters(of: Backbone) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in task.build_on_meta(of).parameters())

    low, high = (parameters(backbone.with_depth(depth)) for depth in _DEPTHS)
    whole = backbone.depth or 0
    return parameters(backbone) == low + (whole - _DEPTHS[0]) * (high - low)


def _counts_at_depth(counts: dict[int, dict[str, int]], whole: int) -> dict[str, int]:
    first = next(iter(counts.values()))
    return {
        name: _at_depth({depth: found[name] for depth, found in counts.items()}, whole) or 0
        for name in first
    }


def _at_depth(values: dict[int, int | None] | dict[int, int], whole: int) -> int | None:
    """Return a value at the whole depth, given that each layer adds the same; None if unknown."""
    (low, first), *more = values.items()
    if first is None or not more:
        return first
    high, second = more[0]
    return None if second is None else first + (whole - low) * (second - first) // (high - low)
