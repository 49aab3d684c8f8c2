"""Variance components of scores: seeds and test examples as crossed random effects.

The score of seed s on test example i is ``mu + a_s + b_i + e_si``: another seed would have given
another ``a``, another test set another ``b``. A mean over both has an error from both, and an
interval over seeds alone, or over examples alone, is too narrow (Bouthillier et al. 2021,
arXiv:2103.03098, on the sources of variance of a benchmark; Searle, Casella and McCulloch 1992,
*Variance Components*, on the mean squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval
from whichpeft.analysis.statistics.mean_error import SeedVariance, half_width, own_variance, two_sided
from whichpeft.errors import ScoresError
from whichpeft.metrics.metric import Floats

_FEWEST_DEGREES = 2.0
_NOTHING = 1e-9  # deviations of scores below this are rounding errors


class Variances(NamedTuple):
    """Variances in the squared unit of the scores; none is negative."""

    seed: float
    """Variance of the effect of a seed."""

    example: float
    """Variance of the effect of a test example."""

    rest: float
    """Residual variance."""


@dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """A mean over seeds and examples with the mean squares that its error is estimated from.

    With variances a, b and e of seeds, examples and the rest, the expected mean squares are
    ``E a + e``, ``S b + e`` and ``e``. A mean square that cannot be estimated is zero.
    """

    mean: float
    """The mean, in the unit of the scores."""

    seeds: int
    """Number of seeds, S."""

    examples: int | None
    """Number of test examples, E; None if only one score per seed is known."""

    seed_square: float
    """Mean square of seeds, with S - 1 degrees of freedom, in the squared unit of the scores."""

    example_square: float
    """Mean square of examples, with E - 1 degrees of freedom, in the squared unit of the scores."""

    rest_square: float
    """Residual mean square, with (S - 1)(E - 1) degrees of freedom, in the squared unit."""

    borrowed: SeedVariance | None = None
    """The mean's variance by seeds as several methods together show it; None if only its own do."""

    @property
    def variances(self) -> Variances:
        """Return the variance components; negative estimates count as zero."""
        one_seed = self.seed_part * self.seeds - self.rest_square / (self.examples or 1)
        return Variances(
            seed=max(0.0, one_seed),
            example=max(0.0, self.example_square - self.rest_square) / self.seeds,
            rest=self.rest_square,
        )

    @property
    def has_error_estimate(self) -> bool:
        """Whether the variation between seeds can be estimated.

        One seed is not enough. Neither are seeds that agree exactly if scores are not known by
        example: a few scores on a small test set sometimes agree by chance, and the mean would count
        as known without error.
        """
        shown = self.borrowed is not None or self.examples is not None or self.seed_square > _NOTHING**2
        return self.seeds > 1 and shown

    @property
    def too_few_seeds(self) -> bool:
        """Whether two seeds differ and nothing else shows how much seeds vary.

        Their variance then has one degree of freedom, and a 95 % interval is 13 standard errors wide on
        either side.
        """
        vary = self.seed_square > _NOTHING**2 or self.rest_square > _NOTHING**2
        return self.seeds == 2 and vary and self.degrees[0] < _FEWEST_DEGREES

    @property
    def seed_part(self) -> float:
        """Return the mean's variance by seeds and by the rest, ``a/S + e/SE``."""
        return self.seed_variance.typical

    @cached_property
    def seed_variance(self) -> SeedVariance:
        """Return what is known about `seed_part`, from the mean's own seeds or from several methods'."""
        if self.borrowed is not None:
            return self.borrowed
        own = self.seed_square / (self.seeds * (self.examples or 1))
        return own_variance(own, max(self.seeds - 1, 1))

    @property
    def example_part(self) -> float:
        """Return the mean's variance by examples alone, ``b/E``, plus what is missing for seeds.

        A few seeds may happen to agree better than the residual noise implies; sometimes all three
        scores on 200 examples are equal. What their mean square then lacks is added here, so that no
        interval is narrower than if seeds made no difference at all. A borrowed variance contains it.
        """
        excess = max(0.0, self.example_square - self.rest_square)
        hidden = max(0.0, self.rest_square - self.seed_square) if self.seeds > 1 else 0.0
        if self.borrowed is not None:
            hidden = 0.0
        return (excess + hidden) / (self.seeds * (self.examples or 1))

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean over seeds and examples."""
        return float(np.sqrt(self.seed_part + self.example_part))

    @property
    def degrees_of_freedom(self) -> float:
        """Return Satterthwaite's (1946) degrees of freedom of the mean's variance.

        They describe how well the variance is known; `interval` and `p_value` do not use them (see
        `mean_error`). Infinite if the variance is zero.
        """
        parts = zip((self.seed_part, self.example_part), self.degrees, strict=True)
        spread = sum(part**2 / df for part, df in parts if part)
        return self.standard_error**4 / spread if spread else float("inf")

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of a true mean of zero."""
        seeds, examples = self.seed_variance, self.example_part
        return two_sided(self.mean, seeds=seeds, examples=examples, df=self._examples_df)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the mean with its two-sided interval, without bounds if its error is unknown.

        With one seed the interval is over examples alone. If scores are not known by example, seeds
        have to differ.
        """
        if self.examples is None and not self.has_error_estimate:
            return Interval(self.mean, None, None)
        seeds, examples = self.seed_variance, self.example_part
        half = half_width(1 - confidence, seeds=seeds, examples=examples, df=self._examples_df)
        return Interval(self.mean, self.mean - half, self.mean + half)

    def errors(self, standard: StandardErrors) -> Floats:
        """Return errors of the mean from the distribution that `interval` uses, shape (draws,)."""
        known = self.seed_variance
        at = np.searchsorted(np.cumsum(known.weights), standard.variances)
        by_seed = np.sqrt(known.values[np.minimum(at, len(known.values) - 1)]) * standard.seeds
        drawn: Floats = by_seed + np.sqrt(self.example_part) * standard.examples
        return drawn

    @property
    def degrees(self) -> tuple[float, float]:
        """Return the degrees of freedom of the two variances, by seeds and by examples."""
        return self.seed_variance.degrees_of_freedom, self._examples_df

    @property
    def _examples_df(self) -> float:
        return max(self.examples - 1, 1) if self.examples else float("inf")


class StandardErrors(NamedTuple):
    """Draws that errors of several means are scaled from, so that they move together."""

    variances: Floats
    """Ranks of the variance by seeds, between 0 and 1, shape (draws,)."""

    seeds: Floats
    """Normal draws, shape (draws,)."""

    examples: Floats
    """Draws of Student's t with one degree of freedom less than there are examples, shape (draws,)."""


def standard_errors(examples: int | None, *, rng: np.random.Generator, draws: int) -> StandardErrors:
    """Draw the errors that `VarianceComponents.errors` scales; `examples` is their number."""
    by_example = rng.standard_t(examples - 1, draws) if examples else np.zeros(draws)
    return StandardErrors(rng.random(draws), rng.standard_normal(draws), by_example)


def random_effects(scores: Floats) -> VarianceComponents:
    """Estimate variance components of scores, or of the differences of two methods' scores.

    The shape is (seeds, examples), with two examples or more. With one seed, only the variance of
    examples is estimated.
    """
    seeds, examples = scores.shape
    by_seed, by_example = scores.mean(axis=1), scores.mean(axis=0)
    mean = float(by_seed.mean())
    # The residual sum of squares is computed from residuals, not as a difference of large sums, so
    # that it is never negative and exactly zero for identical arrays.
    rest = scores - by_example - (by_seed - mean)[:, None]
    return VarianceComponents(
        mean=mean,
        seeds=seeds,
        examples=examples,
        seed_square=_square(by_seed - mean) * examples / max(seeds - 1, 1),
        example_square=_square(by_example - mean) * seeds / (examples - 1),
        rest_square=_square(rest.ravel()) / max((seeds - 1) * (examples - 1), 1) if seeds > 1 else 0.0,
    )


def seed_effects(values: Sequence[float]) -> VarianceComponents:
    """Estimate variance components of one value per seed; the mean then holds for this test set."""
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    return VarianceComponents(
        mean=mean,
        seeds=len(array),
        examples=None,
        seed_square=_square(array - mean) / max(len(array) - 1, 1),
        example_square=0.0,
        rest_square=0.0,
    )


def draw_scores(scores: Floats, *, rng: np.random.Generator, draws: int = 4000) -> Floats:
    """Draw the true mean scores of several methods together.

    The draws surround the observed means. Methods that do well on the same seeds and examples move
    together, so a difference of two columns is about as certain as the paired data make it. With
    more methods than seeds its spread is up to a tenth wider, because the projection below can only
    add variance. For one pair, the `VarianceComponents` of its differences are sharper.

    With matrices of mean squares, the covariance of the means is ``MSA / SE`` by seeds and
    ``(MSB - MSE) / SE`` by examples. The first is drawn as multivariate t with S - 1 degrees of
    freedom, so that every difference of methods has those tails. The second is drawn with E - 1 and
    projected to a positive semidefinite matrix, as is ``(MSE - MSA) / SE``, which is missing if seeds
    agree by chance. For one method this is the distribution that `VarianceComponents.interval` uses.

    Parameters
    ----------
    scores
        Shape (methods, seeds, examples), every method on the same seeds and examples.
    rng
        Source of the draws.
    draws
        Number of draws.

    Returns
    -------
    numpy.ndarray
        Shape (draws, methods). With one seed the draws hold for this seed, over examples alone.

    Raises
    ------
    ScoresError
        If `scores` has another shape, or fewer than two examples.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or 0 in scores.shape or scores.shape[2] < 2:
        raise ScoresError(
            f"scores have shape {scores.shape}; it has to be (methods, seeds, examples), "
            "with two examples or more"
        )
    methods, seeds, examples = scores.shape
    by_seed, by_example = scores.mean(axis=2), scores.mean(axis=1)
    mean: Floats = by_seed.mean(axis=1)
    apart = by_seed - mean[:, None]
    seen = by_example - mean[:, None]
    between_examples = seeds * seen @ seen.T / (examples - 1)
    if seeds == 1:
        return mean + _drawn(between_examples / examples, examples - 1, draws, rng)
    flat = (scores - by_example[:, None, :] - apart[:, :, None]).reshape(methods, -1)
    rest = flat @ flat.T / ((seeds - 1) * (examples - 1))
    between_seeds = examples * apart @ apart.T / (seeds - 1)
    noise = _positive(between_examples - rest) + _positive(rest - between_seeds)
    # Mixing the deviations of the seeds gives exactly their covariance, whatever its rank.
    mixed = rng.standard_normal((draws, seeds)) @ apart.T / np.sqrt(seeds * (seeds - 1))
    drawn: Floats = mean + _tails(seeds - 1, draws, rng) * mixed
    return drawn + _drawn(noise / (seeds * examples), examples - 1, draws, rng)


def _positive(matrix: Floats) -> Floats:
    """Return the nearest positive semidefinite matrix to a symmetric one."""
    values, vectors = np.linalg.eigh(matrix)
    nearest: Floats = (vectors * np.clip(values, 0, None)) @ vectors.T
    return nearest


def _drawn(covariance: Floats, df: int, draws: int, rng: np.random.Generator) -> Floats:
    """Draw from a multivariate t distribution about zero, shape (draws, methods)."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    drawn: Floats = rng.standard_normal((draws, len(values))) @ root.T
    return _tails(df, draws, rng) * drawn


def _tails(df: int, draws: int, rng: np.random.Generator) -> Floats:
    """Draw the factors that turn normal draws into draws of Student's t, shape (draws, 1)."""
    scale: Floats = np.sqrt(df / rng.chisquare(df, size=(draws, 1)))
    return scale


def _square(values: Floats) -> float:
    return float(values @ values)
