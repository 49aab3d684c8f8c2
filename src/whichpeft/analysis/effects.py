"""Two noises at once: seeds and test examples, as crossed random effects.

A score of seed s on test example i is ``mu + a_s + b_i + e_si``: another seed would have given
another ``a``, another test set another ``b``. A mean over both is uncertain by both, and an
interval over seeds alone, or over examples alone, is too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def draw_scores(scores: Array, *, rng: np.random.Generator, draws: int = 4000) -> Array:
    """Draw what the methods' true mean scores may be, all methods together.

    scores: shape (methods, seeds, examples), every method on the same seeds and examples. Returns
    shape (draws, methods). The draws surround the observed means; methods that do well on the
    same seeds and examples move together, so that a difference of two columns is as certain as
    the paired data make it.

    The estimated covariance of the means is ``MSA / SE + (MSB - MSE) / SE`` with the matrices of
    mean squares for seeds, examples and the rest. The first part has S - 1 degrees of freedom, so
    its draws are multivariate t with as many, and every difference of methods has those tails; the
    second is normal and projected to a positive semidefinite matrix. With one seed there is no
    telling how seeds differ: the draws then hold for this seed, over examples alone.
    """
    scores = np.asarray(scores, dtype=np.float64)
    methods, seeds, examples = scores.shape
    mean = scores.mean(axis=(1, 2))
    by_seed = scores.mean(axis=2) - mean[:, None]
    by_example = scores.mean(axis=1) - mean[:, None]
    between_examples = by_example @ by_example.T / max(examples - 1, 1)
    if seeds == 1:
        return mean + _normal(between_examples / examples, rng, draws)
    rest = scores - mean[:, None, None] - by_seed[:, :, None] - by_example[:, None, :]
    flat = rest.reshape(methods, -1)
    residual = flat @ flat.T / max((seeds - 1) * (examples - 1), 1)
    noise = _normal(between_examples / examples - residual / (seeds * examples), rng, draws)
    # Mixing the seeds' own deviations gives exactly their covariance, whatever its rank.
    mixed = rng.standard_normal((draws, seeds)) @ by_seed.T / np.sqrt(seeds * (seeds - 1))
    tails = np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, size=(draws, 1)))
    return mean + mixed * tails + noise


def _normal(covariance: Array, rng: np.random.Generator, draws: int) -> Array:
    """Draw from a normal distribution; directions of negative variance have none."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    return rng.standard_normal((draws, len(values))) @ root.T
