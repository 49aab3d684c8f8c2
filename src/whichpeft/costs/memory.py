"""From traces of one step to its peak of memory, at another depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whichpeft.costs.step import UPDATE, Trace
from whichpeft.tasks import Array

# What a process on a CPU holds beside the tensors: packed matrices, and the code that the libraries
# make or load for the shapes they meet. Measured: benchmarks/plan_memory.py.
LIBRARY_BYTES = {"float32": 8_000_000, "bfloat16": 15_000_000}

# The share of a phase that may lie between what is matched from its start and from its end. Prefix
# tuning makes all layers' keys and values before the first layer, so that layers repeat twice over;
# what lies between them is small beside the layers.
_BETWEEN = 0.125


class Unalike(Exception):
    """Two steps have parts that do not correspond, so that nothing leads on from them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """The memory of training at its peak, in bytes, by what it holds then.

    activations: whatever is neither a weight, a gradient nor the optimiser's state, inputs and
    intermediate results among it.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def peak(trace: Trace, *, in_parts: bool = False, shards: int = 1) -> Footprint:
    """Return the footprint at the peak of a step that is not the first, which has its state.

    in_parts: the trace is of one part of a batch in several, whose gradients add up: from the second
    on all gradients are there throughout. shards: processes that share the model, of one of which the
    footprint is: what it holds whole for a time counts to the activations.
    """
    rows = np.concatenate(
        [
            # The update of a first step makes the state, so it is in the account there already.
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


def at_depth(traces: Mapping[int, Trace], depth: int) -> Trace:
    """Return the trace at a depth: one that is there, or what two that are there lead on to.

    Layers that are alike add the same at each point of a step. Points are matched from the start of
    a phase, where the first layers or the last are met, and from its end, each as far as the two
    traces do the same. Raises Unalike where much of a phase is matched by neither.
    """
    if depth in traces:
        return traces[depth]
    low, high = sorted(traces)
    return _between(traces[low], traces[high], (depth - low) / (high - low))


def _between(a: Trace, b: Trace, share: float) -> Trace:
    """Go on from a through b: share 0 is a, 1 is b, and more lies beyond."""

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
    """Return how many values from the start on two sequences share."""
    shortest = min(len(first), len(second))
    differ = np.flatnonzero(first[:shortest] != second[:shortest])
    return int(differ[0]) if len(differ) else shortest
