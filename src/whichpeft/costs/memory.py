"""Computes the peak memory of a step from its trace, also at a depth that was not traced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whichpeft.costs.step import UPDATE, Trace
from whichpeft.tasks import Array

# What a process on a CPU holds on top of the tensors: packed matrices, and the code that the libraries
# generate or load for new shapes. Measured: benchmarks/plan_memory.py.
LIBRARY_BYTES = {"float32": 8_000_000, "bfloat16": 15_000_000, "float16": 15_000_000}

# What a GPU's context and its libraries take, and the share of its memory that tensors can fill: between
# tensors of varying lengths the allocator leaves gaps.
_GPU_CONTEXT_BYTES = 600_000_000
_GPU_FILLED = 0.92

# The share of a phase that may be left between the parts matched from its start and from its end. Prefix
# tuning computes all layers' keys and values before the first layer, so layers repeat in two places;
# what is between these places is small compared with the layers.
_BETWEEN = 0.125


class Unalike(Exception):
    """Parts of two steps do not correspond, so no third step can be extrapolated from them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """The peak memory of training in bytes, by what it is used for."""

    weights: int
    """Parameters and buffers."""

    gradients: int
    """Gradients that exist at the peak."""

    optimizer: int
    """The optimiser's state."""

    activations: int
    """Everything else, including inputs and intermediate results."""

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def peak(trace: Trace, *, in_parts: bool = False, shards: int = 1) -> Footprint:
    """Return the footprint at the peak of a step after the first, when the optimiser has its state.

    Parameters
    ----------
    in_parts
        Whether the trace is of one of several micro-batches. Their gradients add up, so from the second
        one on all gradients exist throughout.
    shards
        Number of processes that share the model. The footprint is that of one process; what it briefly
        holds whole counts to the activations.
    """
    rows = np.concatenate(
        [
            # The update of the first step creates the state, so the trace of the update includes it.
            rows + (0 if phase == UPDATE else np.array([trace.kept, 0, 0]))
            for phase, rows in enumerate(trace.phases)
        ]
    )
    if in_parts:
        every = rows[:, 1].max()
        rows = np.stack([rows[:, 0] - rows[:, 1] + every, np.full(len(rows), every), rows[:, 2]], axis=1)
    gathered = trace.gathered if shards > 1 else 0
    totals = rows[:, 0] - (1 - 1 / shards) * (trace.weights + trace.kept + rows[:, 1])
    _, gradients, _ = (int(value) for value in rows[totals.argmax()])
    activations = int(rows[totals.argmax(), 0]) - trace.weights - trace.kept - gradients
    return Footprint(
        weights=-(-trace.weights // shards),
        gradients=-(-gradients // shards),
        optimizer=-(-trace.kept // shards),
        activations=max(0, activations) + gathered,
    )


def usable_bytes(memory: int, device: str) -> int:
    """Return the bytes of a device's memory that training can fill with tensors."""
    if device != "cuda":
        return memory
    return max(0, int(_GPU_FILLED * memory) - _GPU_CONTEXT_BYTES)


def at_depth(traces: Mapping[int, Trace], depth: int) -> Trace:
    """Return the trace at a depth: a given one, or the extrapolation of two given ones.

    Layers of the same kind add the same amount at each point of a step. Points are matched from the
    start of a phase, which runs the first or the last layers, and from its end, each as far as both
    traces perform the same operations. Raises Unalike if neither match covers much of a phase.
    """
    if depth in traces:
        return traces[depth]
    low, high = sorted(traces)
    return _between(traces[low], traces[high], (depth - low) / (high - low))


def _between(a: Trace, b: Trace, share: float) -> Trace:
    """Extrapolate from a through b: share 0 gives a, 1 gives b, and larger ones lie beyond b."""

    def number(first: int, second: int) -> int:
        return round(first + share * (second - first))

    def rows(first: Array, second: Array) -> Array:
        if len(first) == 0 or len(second) == 0:
            return second
        ahead = _alike(first[:, 2], second[:, 2])
        behind = _alike(first[::-1, 2], second[::-1, 2])
        if ahead + behind < (1 - _BETWEEN) * len(first):
            raise Unalike
        start, end = slice(0, ahead), slice(len(first) - behind, None)
        then = slice(len(second) - behind, None)
        moved = [
            first[start] + share * (second[start] - first[start]),
            first[end] + share * (second[then] - first[end]),
        ]
        moved_rows: Array = np.concatenate(moved).round().astype(np.int64)
        return moved_rows

    forward, backward, update = (rows(p, q) for p, q in zip(a.phases, b.phases, strict=True))
    return Trace(
        weights=number(a.weights, b.weights),
        kept=number(a.kept, b.kept),
        phases=(forward, backward, update),
        flops=number(a.flops, b.flops),
        gradients=number(a.gradients, b.gradients),
        gathered=b.gathered,
    )


def _alike(first: Array, second: Array) -> int:
    """Return the length of the longest common prefix of two sequences."""
    shortest = min(len(first), len(second))
    differ = np.flatnonzero(first[:shortest] != second[:shortest])
    return int(differ[0]) if len(differ) else shortest
