"""Estimates the costs of training one method on one backbone, from shapes alone."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from whichpeft.costs.layout import count
from whichpeft.costs.memory import LIBRARY_BYTES, Footprint, Unalike, at_depth
from whichpeft.costs.query import CostQuery
from whichpeft.costs.step import FakeBench, Trace
from whichpeft.planning import why_untold
from whichpeft.planning.fake_tensors import quiet_fakes
from whichpeft.tasks import Batch

_MOST = 1 << 20  # the largest batch considered
_TRIES = 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a method costs, in the requested precision; unknown values are None."""

    counts: Mapping[str, int]
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

    untold: Mapping[str, str] = field(default_factory=dict)
    """Why a value is unknown: ``adapter_bytes``, or ``step`` for memory and FLOPs."""


def estimate_costs(
    query: CostQuery,
    *,
    typical: CostQuery | None = None,
    step: bool = True,
    checkpointed: bool = True,
) -> Costs:
    """Estimate counts, adapter size, memory and FLOPs.

    Counts and the adapter's size are those of the whole model. A step is traced on two shallow models
    if these determine the whole one.

    Parameters
    ----------
    typical
        The query with examples of the size that FLOPs are counted at; by default the query itself.
    step
        Whether to trace a step; without it, memory and FLOPs stay unknown.
    checkpointed
        Whether to trace it with gradient checkpointing too.
    """
    meta_model = query.meta_model(query.depth)
    known = Costs(counts=count(meta_model), adapter_bytes=None)
    trains = meta_model.adapter.trains
    try:
        whole = query.prepare(meta_model)
    except Exception as error:
        _logger.debug("cannot prepare a step without weights", exc_info=True)
        reason = why_untold(error)
        return dataclasses.replace(known, untold={"adapter_bytes": reason, "step": reason})
    size = whole.saved_bytes()
    if isinstance(size, Exception):
        known = dataclasses.replace(known, untold={"adapter_bytes": why_untold(size)})
    else:
        known = dataclasses.replace(known, adapter_bytes=size)
    if not trains:
        return dataclasses.replace(known, flops_per_sample=0.0)
    if not step:
        return known
    few = query.few_layers(whole) or {query.depth: whole}
    try:
        return _with_steps(known, query, few, typical, checkpointed)
    except Unalike:
        return _with_steps(known, query, {query.depth: whole}, typical, checkpointed)


def _with_steps(
    known: Costs,
    query: CostQuery,
    benches: Mapping[int, FakeBench],
    typical: CostQuery | None,
    checkpointed: bool,
) -> Costs:
    """Add what traced steps show. Raises Unalike if no step of the whole depth can be extrapolated."""
    plain: dict[int, Trace] = {}
    kept: dict[int, Trace] = {}
    counted: dict[int, Trace] = {}
    for depth, bench in benches.items():
        batch = query.batch(depth, query.batch_size)
        try:
            plain[depth] = bench.step(batch)
            if typical is not None:
                counted[depth] = bench.step(typical.batch(depth, typical.batch_size))
        except Exception as error:  # of many kinds; the probe has found what works at all
            _logger.debug("cannot trace a step without weights", exc_info=True)
            return dataclasses.replace(known, untold={**known.untold, "step": why_untold(error)})
        again = _step(bench, batch) if checkpointed and bench.checkpoint() else None
        # Gradient checkpointing may leave parts of a method out of the backward pass.
        if again is not None and again.gradients == plain[depth].gradients:
            kept[depth] = again
    return dataclasses.replace(
        known,
        memory=_footprint(query, plain),
        checkpointed_memory=_footprint(query, kept) if len(kept) == len(benches) else None,
        flops_per_sample=at_depth(counted or plain, query.depth).flops / query.batch_size,
        trace=at_depth(plain, query.depth),
        depths=tuple(benches),
    )


def _footprint(query: CostQuery, traces: Mapping[int, Trace]) -> Footprint:
    found = query.peak(at_depth(traces, query.depth))
    if query.compute.device.type != "cpu":
        return found
    more = found.activations + LIBRARY_BYTES[query.compute.precision]
    return dataclasses.replace(found, activations=more)


def _step(bench: FakeBench, batch: Batch) -> Trace | None:
    """Take a step; None if the method reads content or breaks under gradient checkpointing."""
    try:
        return bench.step(batch)
    except Exception:
        _logger.debug("cannot trace a step without weights", exc_info=True)
        return None


def count_flops(query: CostQuery) -> float | None:
    """Return the FLOPs of training on one example, forward and backward; None if unknown."""
    try:
        with quiet_fakes():
            whole = query.bench(query.depth)
            if not whole.trains:
                return 0.0
            try:
                return _flops(query, query.few_layers(whole) or {query.depth: whole})
            except Unalike:
                return _flops(query, {query.depth: whole})
    except Exception:  # a method that cannot work was refused before; this count stays unknown
        _logger.debug("cannot count the FLOPs of %s", query.method.name, exc_info=True)
        return None


def _flops(query: CostQuery, benches: Mapping[int, FakeBench]) -> float:
    traces = {
        depth: bench.step(query.batch(depth, query.batch_size)) for depth, bench in benches.items()
    }
    return at_depth(traces, query.depth).flops / query.batch_size


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
    traces = {depth: query.bench(depth).step(query.batch(depth, size)) for depth in costs.depths}
    return query.peak(at_depth(traces, query.depth)).total
