"""Prints how many true differences a rule for verdicts finds, and how often it is wrong.

    OMP_NUM_THREADS=1 python benchmarks/verdict_power.py

Studies are simulated, so the truth is known. Methods are compared with one baseline by three rules: each
pair on its own with Holm's correction (`paired_gap` and `holm`), all methods together
(`compare_methods`), and an oracle that knows all variances. Every rate has its Monte Carlo error.
`tests/analysis/test_verdict_simulation.py` simulates the same worlds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from whichpeft.analysis import compare_methods, holm, paired_gap
from whichpeft.analysis.statistics.step_down import as_p_values, step_down
from whichpeft.analysis.statistics.together import MethodsTogether

Floats = NDArray[np.float64]
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class World:
    """How the scores of methods, seeds and examples come about; scores are fractions."""

    methods: int = 8
    """Methods beside the baseline."""

    seeds: int = 3
    examples: int = 200

    seed_error: float = 0.008
    """Standard deviation of a method's mean score between seeds."""

    spread: float = 0.6
    """Standard deviation between methods of the logarithm of the variance between seeds."""

    heavy_tails: bool = False
    """Whether seeds follow Student's t with 3 degrees of freedom instead of a normal distribution."""

    collapsing: float = 0.0
    """Probability that a method varies 20 times as much between seeds; never the baseline."""

    test_error: float = 0.007
    """Standard error of a gap by the test examples."""

    noise: float = 0.004
    """Standard deviation of a mean score by what a seed does to single examples."""

    gap: float | tuple[float, ...] = 0.0
    """By how much all methods, or each of them, are truly better than the baseline."""

    answers: bool = False
    """Whether each score is one answer, right or wrong, of which 85 % are right."""

    def draw(self, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """Draw a study: scores of shape (methods, seeds, examples), and which methods collapse."""
        shape = self.methods + 1, self.seeds, self.examples
        spread = self.seed_error * np.exp(self.spread / 2 * rng.standard_normal(shape[0]))
        bad = rng.random(shape[0]) < self.collapsing
        bad[0] = False
        spread = np.where(bad, 20 * spread, spread)
        seeds = rng.standard_t(3, shape[:2]) / np.sqrt(3) if self.heavy_tails else None
        seeds = rng.standard_normal(shape[:2]) if seeds is None else seeds
        own = rng.standard_normal((shape[0], 1, self.examples))
        rest = rng.standard_normal(shape)
        if self.answers:
            return self._answers(spread, seeds, own, rest, rng), bad
        scores = (spread[:, None] * seeds)[:, :, None]
        scores = scores + self.test_error * np.sqrt(self.examples / 2) * own
        scores += self.noise * np.sqrt(self.examples) * rest
        scores[1:] += np.reshape(self.gap, (-1, 1, 1))
        return scores, bad

    def _answers(
        self, spread: Floats, seeds: Floats, own: Floats, rest: Floats, rng: np.random.Generator
    ) -> Floats:
        """Answer rightly if a sum of effects is above zero; half of an example's effect is shared."""
        # Near 85 % a step of 0.004 in the latent score is about one of 0.1 points in accuracy.
        effect = spread / 0.15
        shared = rng.standard_normal(self.examples)
        latent = effect[:, None, None] * seeds[:, :, None] + 1.2 * (0.8 * shared + 0.6 * own) + rest
        right = np.full(len(spread), 0.85)
        right[1:] += self.gap
        latent += (ndtri(right) * np.sqrt(1.2**2 + 1 + effect**2))[:, None, None]
        return (latent > 0).astype(np.float64)


def pairwise(scores: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which methods differ from the first, each compared on its own, by Holm's correction."""
    found = [paired_gap(one, scores[0], rng=rng).p_value for one in scores[1:]]
    return np.array([p is not None and p < LEVEL for p in holm(found)])


def together(scores: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which methods differ from the first, all judged together."""
    gaps = compare_methods(scores, rng=rng)[1:]
    return np.array([gap is not None and (gap.p_adjusted or 0) < LEVEL for gap in gaps])


def oracle(means: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return what a rule that knows all variances finds, shape (studies, methods).

    `means` are the mean gaps of many studies, whose covariance it knows.
    """
    covariance = np.atleast_2d(np.cov(means.T))
    errors = rng.multivariate_normal(np.zeros(means.shape[1]), covariance, size=20_000)
    p_values = 2 * ndtr(-np.abs(means) / np.sqrt(np.diag(covariance)))
    by_draw = as_p_values(errors)
    return np.array([np.array(step_down(list(row), by_draw)) < LEVEL for row in p_values])


def rate(found: NDArray[np.bool_]) -> str:
    """Return a rate of studies in per cent with its Monte Carlo error."""
    by_study = found.mean(axis=1)
    return f"{100 * by_study.mean():5.1f} ± {100 * by_study.std() / np.sqrt(len(by_study)):.1f}"


@dataclass(frozen=True)
class Errors:
    """How often studies of equal methods are wrong; rates with their Monte Carlo errors."""

    family_wise: float
    """Share of studies that call any method different."""

    coverage: float
    """Share of 95 % intervals that contain the truth."""

    studies: int

    def __str__(self) -> str:
        """Return both rates in per cent."""
        errors = [
            100 * np.sqrt(rate * (1 - rate) / self.studies) for rate in (self.family_wise, self.coverage)
        ]
        return (
            f"family-wise error {100 * self.family_wise:.1f} ± {errors[0]:.1f} %, "
            f"coverage {100 * self.coverage:.1f} ± {errors[1]:.1f} %"
        )


def errors(world: World, studies: int, seed: int = 1) -> Errors:
    """Simulate studies of equal methods that are judged together.

    P-values are adjusted with 1,000 draws instead of 20,000, which is faster and as often wrong. Of each
    study one interval counts, of one method after the other.
    """
    rng = np.random.default_rng(seed)
    wrong, covered = [], []
    for study in range(studies):
        scores, _ = world.draw(rng)
        judged = MethodsTogether(list(scores), [range(world.seeds)] * len(scores))
        family = judged.against(0, rng=rng, draws=1000)
        wrong.append(any(p is not None and p < LEVEL for p in family.p_adjusted))
        gap = family.gaps[1 + study % world.methods]
        assert gap is not None
        _, low, high = gap.interval()
        covered.append(low is not None and high is not None and low <= 0 <= high)
    return Errors(float(np.mean(wrong)), float(np.mean(covered)), studies)


SPREADS, COLLAPSING, TAILS = (0.0, 0.3, 0.6), (0.0, 0.15), (False, True)
SEEDS, METHODS = (3, 5, 8), (2, 4, 8, 20)


def conditions() -> list[World]:
    """Return all combinations of the conditions that the error has to hold under."""
    return [
        World(spread=spread, collapsing=bad, heavy_tails=heavy, seeds=seeds, methods=methods)
        for spread, bad, heavy, seeds, methods in product(SPREADS, COLLAPSING, TAILS, SEEDS, METHODS)
    ]


def covering() -> list[World]:
    """Return few conditions in which each value of one meets each value of any other."""
    found = []
    for place, (seeds, methods) in enumerate(product(SEEDS, METHODS)):
        row, column = divmod(place, len(METHODS))
        for half in (0, 1):
            found.append(
                World(
                    seeds=seeds,
                    methods=methods,
                    spread=SPREADS[(row + column + half) % 3],
                    collapsing=COLLAPSING[(row + half) % 2],
                    heavy_tails=TAILS[(column // 2 + half * (row + 1)) % 2],
                )
            )
    return found


def in_words(world: World) -> str:
    """Return a world's conditions in words."""
    bad = ", collapsing" if world.collapsing else ""
    tails = ", heavy tails" if world.heavy_tails else ""
    return f"{world.methods} methods, {world.seeds} seeds, spread {world.spread}{bad}{tails}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--errors", action="store_true", help="all conditions, with equal methods")
    asked = parser.parse_args()
    if asked.errors:
        for world in conditions():
            print(f"{in_words(world)}: {errors(world, asked.studies)}", flush=True)
        return
    scores = World(gap=0.03)
    answers = World(gap=0.03, answers=True, examples=500, seed_error=0.006)
    print(f"{asked.studies:,} studies of 8 methods and a baseline each, rates in per cent")
    print(f"{'':38}{'pairwise':>14}{'together':>14}{'oracle':>14}")
    for name, world in [("scores", scores), ("right and wrong answers", answers)]:
        for seeds in (3, 5):
            for what, gap in [("true differences found", world.gap), ("studies with a wrong one", 0.0)]:
                rows = simulate(replace(world, seeds=seeds, gap=gap), asked.studies)
                if not gap:
                    rows = [np.atleast_2d(found.any(axis=1)).T for found in rows]
                print(f"{name}, {seeds} seeds: {what}"[:60])
                print(f"{'':38}" + "".join(f"{rate(found):>14}" for found in rows))


def simulate(world: World, studies: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Return what each of the three rules finds, each of shape (studies, methods)."""
    rng = np.random.default_rng(seed)
    means, ours, theirs = [], [], []
    for _ in range(studies):
        scores, _ = world.draw(rng)
        means.append((scores[1:] - scores[0]).mean(axis=(1, 2)))
        theirs.append(pairwise(scores, rng))
        ours.append(together(scores, rng))
    return [np.array(theirs), np.array(ours), oracle(np.array(means), rng)]


if __name__ == "__main__":
    main()
