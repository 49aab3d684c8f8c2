"""The order of examples: each once, by the seed alone, with similar sizes together."""

import numpy as np

from whichpeft.engine.batches import evaluation_batches, spread, training_batches

SIZES = np.random.default_rng(0).integers(3, 60, size=1000)


def test_every_example_appears_once_per_epoch() -> None:
    batches = training_batches(SIZES, 16, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert sum(len(batch) != 16 for batch in batches) <= 1


def test_the_order_depends_only_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(training_batches(SIZES, 16, seed=seed, epoch=epoch)))

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)


def test_batches_hold_similar_sizes_with_little_padding() -> None:
    batches = training_batches(SIZES, 16, seed=0, epoch=0)
    padded = sum(SIZES[batch].max() * len(batch) for batch in batches)
    assert padded < 1.15 * SIZES.sum()
    # Their order is not by size, which would train on short examples first.
    means = [SIZES[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_evaluation_begins_with_the_largest_examples() -> None:
    batches = evaluation_batches(SIZES, 64)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert SIZES[batches[0]].min() >= SIZES[batches[-1]].max()


def test_a_few_batches_represent_all() -> None:
    batches = training_batches(SIZES, 16, seed=0, epoch=0)
    means = [SIZES[batch].max() for batch in batches]
    chosen = [SIZES[batch].max() for batch in spread(batches, SIZES, 8)]
    assert len(chosen) == 8
    assert abs(np.mean(chosen) - np.mean(means)) < 0.1 * np.mean(means)
