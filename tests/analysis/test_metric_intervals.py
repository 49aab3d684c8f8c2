"""Intervals of every metric that is no mean over examples, in simulated studies whose truth is known.

Two methods of different strength are trained with three seeds and tested on 200 examples. Each study
draws its own seeds and examples; the true gap is that of many seeds and examples. What makes an example
hard is partly the same for both methods.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from whichpeft.analysis import paired_gap
from whichpeft.metrics.metric import Array
from whichpeft.metrics.per_example import per_example

STUDIES, SEEDS, EXAMPLES = 400, 3, 200
STRENGTHS = (1.0, 0.85)
SEED_EFFECT = 0.05

Drawn = tuple[Array, Array]
"""Labels, and outputs of shape (methods, seeds, examples, ...)."""


def strengths(rng: np.random.Generator, seeds: int, dimensions: int) -> Array:
    """Return how strong each trial is, to be multiplied with outputs."""
    drawn = np.array(STRENGTHS)[:, None] + SEED_EFFECT * rng.standard_normal((2, seeds))
    return drawn.reshape(2, seeds, *(1,) * dimensions)


def noise(rng: np.random.Generator, seeds: int, shape: tuple[int, ...]) -> Array:
    """Return what is the same for both methods, for all seeds of a method, and for neither."""
    return (
        0.7 * rng.standard_normal(shape)
        + 0.5 * rng.standard_normal((2, 1, *shape))
        + 0.5 * rng.standard_normal((2, seeds, *shape))
    )


def classes(rng: np.random.Generator, seeds: int, examples: int) -> Drawn:
    labels = rng.choice(3, examples, p=[0.55, 0.3, 0.15])
    right = 1.6 * np.eye(3)[labels]
    return labels, strengths(rng, seeds, 2) * right + noise(rng, seeds, (examples, 3))


def two_classes(rng: np.random.Generator, seeds: int, examples: int) -> Drawn:
    labels = (rng.random(examples) < 0.25).astype(int)
    score = strengths(rng, seeds, 1) * 1.6 * labels + noise(rng, seeds, (examples,))
    return labels, np.stack([np.full(score.shape, 0.8), score], axis=-1)


def labels_each(rng: np.random.Generator, seeds: int, examples: int) -> Drawn:
    labels = (rng.random((examples, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(float)
    signed = 1.2 * (2 * labels - 1)
    return labels, strengths(rng, seeds, 2) * signed + noise(rng, seeds, (examples, 4))


def tags(rng: np.random.Generator, seeds: int, examples: int) -> Drawn:
    """Sentences of 4 to 12 words; a seventh of the words are entities, of two types.

    Words of a hard sentence are hard together. Each entity is one word with ``B-``, so that counts are
    sums over words.
    """
    lengths = rng.integers(4, 13, examples)
    there = np.arange(12) < lengths[:, None]
    true = np.where(there, rng.choice(3, (examples, 12), p=[0.86, 0.08, 0.06]), 0)
    hard = noise(rng, seeds, (examples,))[..., None]
    scores = strengths(rng, seeds, 3) * 2.2 * np.eye(3)[true] + np.array([0.5, 0, 0])
    scores = scores + hard[..., None] * np.array([-0.4, 0.2, 0.2])
    scores = scores + 0.8 * rng.standard_normal((2, seeds, examples, 12, 3))
    found = scores.argmax(axis=-1)
    columns = [
        (found == true) & (true > 0), (found > 0) & there, np.broadcast_to(true > 0, found.shape),
        (found == true) & there, np.broadcast_to(there, found.shape),
    ]  # fmt: skip
    return lengths, np.stack([column.sum(axis=-1) for column in columns], axis=-1)


def ranks(rng: np.random.Generator, seeds: int, examples: int) -> Drawn:
    """One over the rank of the right document among 30."""
    others = np.abs(rng.standard_normal((examples, 29)) + noise(rng, seeds, (examples, 1)))
    own = strengths(rng, seeds, 1) * 2.2 + noise(rng, seeds, (examples,))
    above = (others > own[..., None]).sum(axis=-1)
    return np.zeros(examples), (1 / (1 + above))[..., None]


WORLDS: dict[str, Callable[[np.random.Generator, int, int], Drawn]] = {
    "accuracy": classes,
    "balanced_accuracy": classes,
    "macro_f1": classes,
    "matthews": classes,
    "auroc": classes,
    "average_precision": classes,
    "f1:rare": two_classes,
    "auroc:rare": two_classes,
    "average_precision:rare": two_classes,
    "micro_f1": labels_each,
    "label_f1": labels_each,
    "label_auroc": labels_each,
    "entity_f1": tags,
    "token_accuracy": tags,
    "mrr": ranks,
}


def by_example(metric: str, labels: Array, outputs: Array) -> Array:
    """Return scores of shape (methods, seeds, examples)."""
    found = []
    for trial in outputs.reshape(-1, *outputs.shape[2:]):
        values = per_example(metric, labels, trial)
        assert values is not None
        found.append(values)
    return np.reshape(found, (*outputs.shape[:2], -1))


def true_gap(metric: str) -> float:
    """Return the mean gap over many studies of this size, each with seeds of its own."""
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(60):
        labels, outputs = WORLDS[metric](rng, 10, 10 * EXAMPLES)
        first, second = by_example(metric, labels, outputs).mean(axis=(1, 2))
        gaps.append(first - second)
    assert np.std(gaps) / np.sqrt(len(gaps)) < 0.003  # far below the width of an interval
    return float(np.mean(gaps))


QUICK = ("balanced_accuracy", "auroc", "entity_f1", "micro_f1", "mrr")


@pytest.mark.parametrize(
    "metric", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in WORLDS]
)
def test_intervals_cover_the_true_gap(metric: str) -> None:
    truth = true_gap(metric)
    rng = np.random.default_rng(1)
    covered, widths, means = [], [], []
    for _ in range(STUDIES):
        labels, outputs = WORLDS[metric](rng, SEEDS, EXAMPLES)
        ours, theirs = by_example(metric, labels, outputs)
        gap = paired_gap(ours, theirs, rng=rng)
        assert gap.low is not None
        assert gap.high is not None
        covered.append(gap.low <= truth <= gap.high)
        widths.append(gap.high - gap.low)
        means.append(gap.mean)
    print(f"\n{metric}: gap {truth:.4f}, coverage {np.mean(covered):.3f}, width {np.mean(widths):.3f}")
    assert truth > 0.005
    assert np.mean(covered) >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / STUDIES)
    # The gap that is found is that of many examples, and intervals are not wide without need.
    assert abs(np.mean(means) - truth) <= 0.1 * np.std(means) + 3 * np.std(means) / np.sqrt(STUDIES)
    assert np.mean(widths) <= 2.2 * 2 * 1.96 * np.std(means)
