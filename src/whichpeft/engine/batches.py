"""The order of examples, and which of them share a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from whichpeft.tasks import Array, Examples, Packable, Task

# Number of batches filled from one shuffled pool that is sorted by size. Large enough that neighbours
# are of nearly equal size, small enough that batches stay a random mix over epochs.
_POOL = 32


def training_batches(
    sizes: Array, batch_size: int, *, seed: int, epoch: int, fewest: int = 1
) -> list[Array]:
    """Return one epoch of batches as arrays of indices, with similar sizes together.

    The order depends only on seed and epoch, so all methods see the same batches. No batch has less than
    `fewest` examples: the last one takes some of the batch before it.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(sizes))
    pool = batch_size * _POOL
    batches: list[Array] = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        by_size = members[np.argsort(sizes[members], kind="stable")]
        batches += [by_size[i : i + batch_size] for i in range(0, len(by_size), batch_size)]
    batches = with_enough(batches, fewest)
    return [batches[i] for i in rng.permutation(len(batches))]


def with_enough(parts: list[Array], fewest: int) -> list[Array]:
    """Move examples into a last part that has too few, or join it to the one before if that is small."""
    if len(parts) < 2 or len(parts[-1]) >= fewest:
        return parts
    both = np.concatenate(parts[-2:])
    if len(both) < 2 * fewest:
        return [*parts[:-2], both]
    return [*parts[:-2], both[:-fewest], both[-fewest:]]


def evaluation_batches(sizes: Array, batch_size: int) -> list[Array]:
    """Return all examples as batches of similar sizes, the largest first."""
    order = np.argsort(-sizes, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def as_trained_on(task: Task, train: Examples, *, packing: bool) -> Examples:
    """Return training examples as they are laid out in batches: padded, or packed into rows."""
    return task.packed(train) if packing and isinstance(task, Packable) else train


def rows_of(examples: Examples) -> Callable[[Array], int]:
    """Return a function that counts the rows of a batch: one per example, unless examples share rows."""
    found: Callable[[Array], int] = getattr(examples, "rows", len)
    return found


def shape(examples: Examples, batch: Array) -> tuple[int, int]:
    """Return the number of rows of a batch, and their length."""
    return rows_of(examples)(batch), int(examples.sizes[batch].max())


def padded_length(examples: Examples, batch_size: int) -> int:
    """Return the mean length of an example in its training batch, padding included."""
    batches = training_batches(examples.sizes, batch_size, seed=0, epoch=0)
    return round(sum(math.prod(shape(examples, batch)) for batch in batches) / len(examples))


def learnt_positions(examples: Examples, batch_size: int) -> tuple[int, int] | None:
    """Return how many positions of an example have a next token to learn: at most, and on average.

    Padding counts, as in `padded_length`. None if the examples do not learn next tokens.
    """
    learnt: Callable[[Array], int] | None = getattr(examples, "learnt", None)
    if learnt is None:
        return None
    batches = training_batches(examples.sizes, batch_size, seed=0, epoch=0)
    rows, found = rows_of(examples), [learnt(batch) for batch in batches]
    total = sum(rows(batch) * count for batch, count in zip(batches, found, strict=True))
    return max(found), max(1, round(total / len(examples)))


def spread(
    batches: Sequence[Array], sizes: Array, count: int, rows: Callable[[Array], int] = len
) -> list[Array]:
    """Pick `count` batches that represent all: one from each of `count` equal parts, by padded size.

    Each is the batch nearest to the mean of its part, so that the few long batches keep their weight.
    The order is such that its beginning represents the whole: from the middle of the sizes outwards,
    with shorter and longer batches in turn.
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
