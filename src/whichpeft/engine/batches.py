"""In which order examples are met, and with whom they share a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from whichpeft.tasks import Array, Examples, Packable, Task

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


def as_trained_on(task: Task, train: Examples, *, packing: bool) -> Examples:
    """Return training examples as batches of them are laid out: padded, or sharing rows."""
    return task.packed(train) if packing and isinstance(task, Packable) else train


def rows_of(examples: Examples) -> Callable[[Array], int]:
    """Return what says how many rows a batch takes: one an example, unless they share some."""
    found: Callable[[Array], int] = getattr(examples, "rows", len)
    return found


def shape(examples: Examples, batch: Array) -> tuple[int, int]:
    """Return how many rows a batch takes, and how long they are."""
    return rows_of(examples)(batch), int(examples.sizes[batch].max())


def padded_length(examples: Examples, batch_size: int) -> int:
    """Return what an example takes in its training batch, padding with it, on average."""
    batches = training_batches(examples.sizes, batch_size, seed=0, epoch=0)
    return round(sum(math.prod(shape(examples, batch)) for batch in batches) / len(examples))


def spread(
    batches: Sequence[Array], sizes: Array, count: int, rows: Callable[[Array], int] = len
) -> list[Array]:
    """Pick `count` batches that stand for all: one of each of so many equal parts, by padded size.

    Of each part the one nearest to its mean, so that the few long ones weigh what they weigh in all.
    They come in an order whose beginning stands for the whole: from the middle of the sizes outwards,
    a shorter and a longer one in turn.
    """

    def cost(batch: Array) -> int:
        return int(sizes[batch].max()) * rows(batch)

    ordered = sorted(batches, key=lambda batch: (cost(batch), int(batch[0])))
    parts = [ordered[i * len(ordered) // count : (i + 1) * len(ordered) // count] for i in range(count)]
    picked = []
    for part in filter(None, parts):
        mean = sum(map(cost, part)) / len(part)
        picked.append(min(part, key=lambda batch: abs(cost(batch) - mean)))
    middle = (len(picked) - 1) / 2
    outwards = sorted(range(len(picked)), key=lambda i: (abs(i - middle), i))
    return [picked[i] for i in outwards]
