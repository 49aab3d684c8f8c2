"""The seed variances of several methods, judged together.

Three seeds say little about how much a method varies between seeds, but methods trained on the same
task vary by similar amounts. Each method's variance is therefore taken as drawn from a distribution
that all methods share, and estimated from its own seeds and from the others' (Smyth 2004, *Statistical
Applications in Genetics and Molecular Biology* 3, for the variances of genes). Three to ten methods
say little about that distribution too, so its centre and its width are not estimated but integrated
over.

Some methods collapse on some seeds and vary a hundred times as much as the rest. Each method belongs
to these with a probability of its own (after Phipson et al. 2016, *Annals of Applied Statistics* 10):
if its seeds look like it, its variance rests on its own seeds, and it hardly counts for the others.

The model. Method m scores ``mu_m + c_s + a_ms + e_ms`` with seed s. What the seed does to all methods
alike, ``c_s``, cancels in a gap. ``a_ms`` is normal with the variance v_m, and ``e_ms`` is the noise
of a mean over the test examples, whose variance is known from the examples. ``log v_m`` is normal, or
with probability `_OUTLIERS` uniform above the centre, up to where collapses are rare. All of this is
on grids, with logarithms in steps of a third, so there is nothing to converge and the same scores give
the same numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from whichpeft.analysis.statistics.mean_error import SeedVariance, own_variance
from whichpeft.metrics.metric import Floats

LEAST_METHODS = 3
"""Fewest methods, the baseline included, that are judged together."""

LEAST_DEGREES = 3
"""Fewest degrees of freedom of the methods' variances together: with two seeds, four methods."""

_STEP = 0.35
# Logarithms of a variance over the scale of the study. On a large test set a method that collapses has
# some hundred thousand times the variance of the others, and three seeds leave open fifty times more.
_LOGS = np.arange(-7, 18, _STEP)
_CENTRES = np.arange(-6, 4.01, 0.5)
_WIDTHS = np.array([0.0, 0.25, 0.5, 0.8, 1.2, 1.8])
_TYPICAL_WIDTH = 0.6
_OUTLIERS = 0.1
_USUAL_COLLAPSE = 12.0  # logarithm of a variance over the others'; beyond, a tenth as likely
_ROUNDS = 8  # of weighing methods and estimating what a seed does to all of them
_BINS = 64
_UNLIKE = 0.02  # correlations below this change no interval
_LEAST = 1e-12  # of the largest variance of a gap; methods with equal noise may share all the rest


class SeedVariances:
    """What the seeds of several methods say about each one's variance between seeds.

    Parameters
    ----------
    scores
        Mean scores, shape (methods, seeds); nan if a method did not run with a seed. Each method needs
        two seeds or more and different scores.
    noise
        Variance of each score that comes from the test examples and differs between methods, shape
        (methods,), in the squared unit of the scores.
    """

    def __init__(self, scores: Floats, noise: Floats) -> None:
        squares, degrees, common = _sums_of_squares(scores, noise)
        self.common = own_variance(float(np.var(common, ddof=1)), len(common) - 1)
        found = np.maximum(squares / np.maximum(degrees, 1e-9), noise)
        self._prior, log_prior = _grid()
        self._variances: Floats = np.exp(_LOGS) * max(float(np.median(found)), 1e-30)
        total = self._variances[:, None] + noise
        log = -(degrees * np.log(total) + squares / total) / 2
        likelihood = np.exp(log - log.max(axis=0))
        evidence = self._prior @ likelihood
        weight = np.log(evidence).sum(axis=1) + log_prior
        weight = np.exp(weight - weight.max())
        self._shape: Floats = weight / weight.sum()
        # By method, the probabilities of its variances under each shape of the distribution.
        self._given: Floats = self._prior * likelihood.T[:, None, :] / evidence.T[:, :, None]

    def of_mean(self, method: int, *, noise: float, seeds: int) -> SeedVariance:
        """Return the variance of a method's mean over seeds, with what they do to all methods alike.

        `noise` is the variance of one score that comes from the test examples.
        """
        own, weights = self._variances + noise, self._shape @ self._given[method]
        both = own[:, None] + self.common.values
        together = weights[:, None] * self.common.weights
        return _condensed(both.ravel(), together.ravel()) * (1 / seeds)

    def of_gap(
        self, one: int, other: int, *, alike: float, noise: float, square: float, seeds: int
    ) -> SeedVariance:
        """Return the variance of the mean gap of two methods over seeds.

        `alike` is the correlation that the two methods' effects of a seed have if they are not
        independent, `noise` the variance of one gap that comes from the test examples, and `square` the
        sum of squares of the gaps between seeds. It says which of the two is true.
        """
        variances, weights = self._of_gap(one, other, alike, noise, square, seeds)
        return _condensed(variances.ravel(), weights.ravel()) * (1 / seeds)

    def dependent(
        self, one: int, other: int, *, alike: float, noise: float, square: float, seeds: int
    ) -> float:
        """Return the probability that two methods' effects of a seed are not independent."""
        weights = self._of_gap(one, other, alike, noise, square, seeds)[1]
        return float(weights[0].sum())

    def _of_gap(
        self, one: int, other: int, alike: float, noise: float, square: float, seeds: int
    ) -> tuple[Floats, Floats]:
        """Return variances of a gap with their probabilities, if `alike` and if independent."""
        together = (self._given[one] * self._shape[:, None]).T @ self._given[other]
        own = self._variances
        both = own[:, None] + own - 2 * np.array([[[alike]], [[0.0]]]) * np.sqrt(own[:, None] * own)
        total = np.maximum(both + noise, _LEAST * both.max())
        if alike < _UNLIKE:
            return total, np.stack([together, together]) / 2
        log = -((seeds - 1) * np.log(total) + square / total) / 2
        weights = together * np.exp(log - log.max())
        return total, weights / weights.sum()

    def draw(self, draws: int, rng: np.random.Generator) -> Floats:
        """Draw the variances of all methods together, shape (draws, methods)."""
        shapes = rng.choice(len(self._shape), size=draws, p=self._shape)
        count = len(_LOGS)
        found = np.empty((draws, len(self._given)))
        for method, given in enumerate(self._given):
            # One sorted array for all shapes: that of shape i runs from i to i + 1.
            steps = np.minimum(np.cumsum(given, axis=1), 1.0) + np.arange(len(given))[:, None]
            at = np.searchsorted(steps.ravel(), shapes + rng.random(draws)) - shapes * count
            found[:, method] = self._variances[np.minimum(at, count - 1)]
        return found


def _sums_of_squares(scores: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each method's sum of squares between seeds and its degrees of freedom, shape (methods,).

    What a seed does to all methods is their weighted mean deviation, which comes third, shape (seeds,).
    A method with the weight w has pulled it towards itself and loses the share w of its degrees of
    freedom.
    """
    known = np.isfinite(scores)
    seeds = known.sum(axis=1)
    filled = np.where(known, scores, 0.0)
    common, weights = np.zeros(scores.shape[1]), np.ones(len(scores))
    for _ in range(_ROUNDS):
        share = weights[:, None] * known
        share = share / share.sum(axis=0)
        mean = (filled - common * known).sum(axis=1) / seeds
        common = (share * (filled - mean[:, None])).sum(axis=0)
        mean = (filled - common * known).sum(axis=1) / seeds
        apart = np.where(known, filled - mean[:, None] - common, 0.0)
        squares: Floats = (apart**2).sum(axis=1)
        degrees: Floats = (seeds - 1) * (1 - share.sum(axis=1) / seeds)
        found = np.maximum(squares / np.maximum(degrees, 1e-9), noise)
        # Three degrees of freedom at the median keep a method that agrees by chance from ruling.
        steady = (found * (seeds - 1) + 3 * np.median(found)) / (seeds + 2)
        weights = 1 / np.maximum(steady, 1e-30)
        weights = np.minimum(weights / weights.sum(), 0.5)
    return squares, degrees, common


def _condensed(variances: Floats, weights: Floats) -> SeedVariance:
    """Return a distribution with few values that is about the given one."""
    log = np.log(variances)
    low, high = log.min(), log.max()
    place = np.minimum(((log - low) / max(high - low, 1e-9) * _BINS).astype(int), _BINS - 1)
    mass = np.bincount(place, weights, _BINS)
    mean = np.bincount(place, weights * variances, _BINS)
    kept = mass > 1e-12
    values, mass = mean[kept] / mass[kept], mass[kept] / mass[kept].sum()
    return SeedVariance(values, mass)


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats]:
    """Return the probabilities of `_LOGS` under each centre and width, and the latter's log weights.

    Every centre is as likely as any other. Widths follow half a Cauchy distribution.
    """
    likely = np.gradient(_WIDTHS) / (1 + (_WIDTHS / _TYPICAL_WIDTH) ** 2)
    above = _LOGS - _CENTRES[:, None, None]
    width = np.maximum(_WIDTHS, _STEP / 2.5)[:, None]
    usual = np.exp(-((above / width) ** 2) / 2)
    outlying = np.where(above < _USUAL_COLLAPSE, 1.0, 0.1) * (above >= 0) + 1e-300
    outlying = np.broadcast_to(outlying, usual.shape)
    usual, outlying = (part / part.sum(axis=-1, keepdims=True) for part in (usual, outlying))
    prior = (1 - _OUTLIERS) * usual + _OUTLIERS * outlying
    weights = np.tile(np.log(likely / likely.sum()), len(_CENTRES))
    return prior.reshape(-1, len(_LOGS)), weights
