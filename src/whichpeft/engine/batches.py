"""In which order examples are met, and with whom they share a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whichpeft.tasks import Array

# So many batches are filled from one shuffled pool, sorted by size within it: large enough that
# neighbours are of nearly equal size, small enough that batches stay a random mix over epochs.
_POOL = 32


def training_batches(sizes: Array, batch_size: int, *, seed: int, epoch: int) -> list[Array]:
    """Return one epoch of batches as arrays of indices, similar sizes together.

    The order depends on seed and epoch alone, so that methods meet the same batches.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(sizes))
    pool = batch_size * _POOL
    batches: list[Array] = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        by_size = members[np.argsort(sizes[members], kind="stable")]
        batches += [by_size[i : i + batch_size] for i in range(0, len(by_size), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def evaluation_batches(sizes: Array, batch_size: int) -> list[Array]:
    """Return all examples as batches of similar size, the largest first."""
    order = np.argsort(-sizes, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def spread(batches: Sequence[Array], sizes: Array, count: int) -> list[Array]:
    """Pick `count` batches that stand for all: evenly spaced in the order of their padded size."""
    ordered = sorted(batches, key=lambda batch: (int(sizes[batch].max()) * len(batch), int(batch[0])))
    if len(ordered) <= count:
        return ordered
    middle = (np.arange(count) + 0.5) * len(ordered) / count
    return [ordered[int(i)] for i in middle]
