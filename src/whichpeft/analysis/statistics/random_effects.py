"""Two noises at once: seeds and test examples, as crossed random effects.

A score of seed s on test example i is ``mu + a_s + b_i + e_si``: another seed would have given
another ``a``, another test set another ``b``. A mean over both is uncertain by both, and an
interval over seeds alone, or over examples alone, is too narrow (Bouthillier et al. 2021,
arXiv:2103.03098, on the several noises of a benchmark; Searle, Casella and McCulloch 1992,
*Variance Variances*, on the mean squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from whichpeft.analysis.statistics.behrens_fisher import half_width, two_sided
from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval
from whichpeft.errors import ScoresError
from whichpeft.metrics.metric import Floats

_NOTHING = 1e-9  # a deviation of scores, fractions mostly, that is rounding alone


class Variances(NamedTuple):
    """Variances of one seed's effect, one example's effect and the rest; none is negative."""

    seed: float
    example: float
    rest: float


@dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """A mean over seeds and examples with what its uncertainty is made of.

    seeds, examples: how many (S, E); examples is None where only one score a seed is known.
    seed_square, example_square, rest_square: mean squares, in the squared unit of the scores, of S - 1,
    E - 1 and (S - 1)(E - 1) degrees of freedom; expected are ``E a + e``, ``S b + e`` and ``e`` for
    components a, b, e. Zero where there is nothing to tell them by.
    """

    mean: float
    seeds: int
    examples: int | None
    seed_square: float
    example_square: float
    rest_square: float

    @property
    def variances(self) -> Variances:
        """Return the variance components; an estimate below zero stands for none."""
        return Variances(
            seed=max(0.0, self.seed_square - self.rest_square) / (self.examples or 1),
            example=max(0.0, self.example_square - self.rest_square) / self.seeds,
            rest=self.rest_square,
        )

    @property
    def has_error_estimate(self) -> bool:
        """Whether there is anything to tell by how far another seed would lead.

        One seed cannot. Nor can seeds that agree exactly, where examples are not known: a few scores
        of a small test set sometimes do so by luck, and would count as known without error.
        """
        return self.seeds > 1 and (self.examples is not None or self.seed_square > _NOTHING**2)

    @property
    def seed_part(self) -> float:
        """Return the mean's variance by seeds and by what is left, ``a/S + e/SE``."""
        return self.seed_square / (self.seeds * (self.examples or 1))

    @property
    def example_part(self) -> float:
        """Return the mean's variance by examples alone, ``b/E``, and what the seeds hide of the rest.

        A few seeds may happen to agree better than the rest of the noise lets them; all three scores
        of 200 examples are sometimes equal. What their mean square then lacks is added here, so that no
        interval is narrower than one in which seeds make no difference at all.
        """
        excess = max(0.0, self.example_square - self.rest_square)
        hidden = max(0.0, self.rest_square - self.seed_square) if self.seeds > 1 else 0.0
        return (excess + hidden) / (self.seeds * (self.examples or 1))

    @property
    def standard_error(self) -> float:
        """Return the root of the mean's variance by both noises."""
        return float(np.sqrt(self.seed_part + self.example_part))

    @property
    def degrees_of_freedom(self) -> float:
        """Return Satterthwaite's (1946) degrees of freedom of the mean's variance.

        They describe how well the variance is known; `interval` and `p_value` do not rest on
        them (see `behrens_fisher`). Infinite where the variance is zero.
        """
        parts = zip((self.seed_part, self.example_part), self._df, strict=True)
        spread = sum(part**2 / df for part, df in parts if part)
        return self.standard_error**4 / spread if spread else float("inf")

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of a true mean of zero."""
        return two_sided(self.mean, seeds=self.seed_part, examples=self.example_part, df=self._df)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the mean with its two-sided interval; no bounds where nothing is known of its error.

        With one seed it is over examples alone. Without examples, seeds have to differ.
        """
        if self.examples is None and not self.has_error_estimate:
            return Interval(self.mean, None, None)
        half = half_width(1 - confidence, seeds=self.seed_part, examples=self.example_part, df=self._df)
        return Interval(self.mean, self.mean - half, self.mean + half)

    def errors(self, standard: tuple[Floats, Floats]) -> Floats:
        """Return errors of the mean from the distribution that `interval` rests on, shape (draws,).

        standard: draws of Student's t, of each of the two `degrees`.
        """
        by_seed, by_example = standard
        drawn: Floats = np.sqrt(self.seed_part) * by_seed + np.sqrt(self.example_part) * by_example
        return drawn

    @property
    def degrees(self) -> tuple[int, int]:
        """Return how many degrees of freedom the two variances have, by seeds and by examples."""
        return self._df

    @property
    def _df(self) -> tuple[int, int]:
        return max(self.seeds - 1, 1), max((self.examples or 1) - 1, 1)


def random_effects(scores: Floats) -> VarianceComponents:
    """Take apart scores, or differences of two methods' scores, of shape (seeds, examples).

    One seed leaves the examples alone, with no seed variance. Needs two examples or more.
    """
    seeds, examples = scores.shape
    by_seed, by_example = scores.mean(axis=1), scores.mean(axis=0)
    mean = float(by_seed.mean())
    # What is left is summed from residuals, not as a difference of large sums, so that it is
    # never negative and is exactly zero for identical arrays.
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
    """Take apart one value a seed: how examples differ is not known, the mean is for this test set."""
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
    """Draw what the methods' true mean scores may be, all methods together.

    scores: shape (methods, seeds, examples), every method on the same seeds and examples. Returns
    shape (draws, methods). The draws surround the observed means; methods that do well on the
    same seeds and examples move together, so that a difference of two columns is about as certain
    as the paired data make it. With more methods than seeds it is less so, its spread by up to a
    tenth wider: what is projected below only grows by it. For one pair, `VarianceComponents` of its
    differences is sharper.

    With matrices of mean squares, the means' covariance is ``MSA / SE`` by seeds, ``(MSB - MSE) / SE``
    by examples. The first is drawn as multivariate t with S - 1 degrees of freedom, so that every
    difference of methods has those tails; the second with E - 1, projected to a positive
    semidefinite matrix, and so is ``(MSE - MSA) / SE``, what the seeds hide. For one method this is
    the distribution that `VarianceComponents.interval` rests on. With one seed there is no telling how
    seeds differ: the draws then hold for this seed, over examples alone. Raises ScoresError for another
    shape.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or 0 in scores.shape or scores.shape[2] < 2:
        raise ScoresError(
            f"scores have shape {scores.shape}; it has to be (methods, seeds, examples), "
            "with at least two examples"
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
    # Mixing the seeds' own deviations gives exactly their covariance, whatever its rank.
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
    """Draw what turns a normal draw into one of Student's t, shape (draws, 1)."""
    scale: Floats = np.sqrt(df / rng.chisquare(df, size=(draws, 1)))
    return scale


def _square(values: Floats) -> float:
    return float(values @ values)
