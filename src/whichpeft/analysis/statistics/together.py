"""Several methods on the same task, with the errors of all gaps between them known together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.random_effects import (
    VarianceComponents,
    draw_scores,
    random_effects,
    seed_effects,
)
from whichpeft.analysis.statistics.seed_variances import LEAST_DEGREES, LEAST_METHODS, SeedVariances
from whichpeft.analysis.statistics.step_down import as_p_values, single_level, step_down
from whichpeft.metrics.metric import Floats

DRAWS = 20_000
"""Number of draws, which gives probabilities to within half a point and levels of 5 % to 0.3 points."""

_NOTHING = 1e-9  # deviations of scores below this are rounding errors
_TRUST = (
    4  # power of the correlation of two methods' noise that their effects of a seed are taken to have
)


@dataclass(frozen=True, eq=False)
class Family:
    """The gaps of several methods to one, tested together."""

    gaps: tuple[VarianceComponents | None, ...]
    """By method, its gap; None for the baseline and for methods that share no seed with it."""

    p_adjusted: tuple[float | None, ...]
    """By method, the p-value of no gap after correction for their number; None if unknown."""

    level: float
    """Level at which each gap that is not yet shown has to be tested."""


class MethodsTogether:
    """The scores of several methods on one task, each on its own seeds and all on the same examples.

    Parameters
    ----------
    scores
        One array per method, shape (seeds, examples). With one example, scores are known by seed only.
    seeds
        One sequence per method: the seed of each row.
    """

    def __init__(self, scores: Sequence[Floats], seeds: Sequence[Sequence[int]]) -> None:
        self._scores = [np.asarray(own, dtype=np.float64) for own in scores]
        self._rows = [{seed: row for row, seed in enumerate(own)} for own in seeds]
        self.by_example = bool(self._scores) and self._scores[0].shape[1] > 1
        self._place, members = self._places()
        degrees = (len(members) - 1) * (min((len(self._rows[m]) for m in members), default=1) - 1)
        self._enough = len(members) >= LEAST_METHODS and degrees >= LEAST_DEGREES
        self._members = members

    def gap(self, one: int, other: int) -> VarianceComponents | None:
        """Estimate how much higher `one` scores than `other` on the seeds of both; None without any."""
        common = self._common([one, other])
        if not common:
            return None
        differences = self._on(one, common) - self._on(other, common)
        effects = self._effects(differences)
        first, second = self._place[one], self._place[other]
        # Methods with one place have equal scores, or neither varies.
        if not self._enough or first == second or len(common) < 2:
            return effects
        # A few answers may add up to the same score with each seed though the method varies.
        if not self.by_example and (first is None or second is None):
            return effects
        noise = self._rounding if effects.examples is None else effects.rest_square / effects.examples
        if first is not None and second is not None:
            alike, square = float(self._of_noise[first, second]), _square(effects)
            known = self._variances.of_gap(
                first, second, alike=alike, noise=noise, square=square, seeds=len(common)
            )
        else:
            varying = first if first is not None else second
            assert varying is not None
            known = self._variances.of_mean(varying, noise=noise, seeds=len(common))
        return replace(effects, borrowed=known)

    def mean(self, method: int) -> VarianceComponents:
        """Estimate a method's score."""
        effects = self._effects(self._scores[method])
        place = self._place[method]
        if not self._enough or place is None:
            return effects
        noise = self._rounding if effects.examples is None else effects.rest_square / effects.examples
        known = self._variances.of_mean(place, noise=noise, seeds=effects.seeds)
        return replace(effects, borrowed=known)

    def against(
        self,
        baseline: int,
        *,
        rng: np.random.Generator,
        draws: int = DRAWS,
        level: float = LEVEL,
        settled: Sequence[bool] = (),
    ) -> Family:
        """Test the gaps of all other methods to one of them together, at `level`.

        Methods that are `settled` are not tested; they only say how much seeds vary.
        """
        gaps = [
            None if method == baseline else self.gap(method, baseline)
            for method in range(len(self._scores))
        ]
        tested = [
            (method, gap)
            for method, gap in enumerate(gaps)
            if gap is not None and gap.has_error_estimate and not (settled and settled[method])
        ]
        p_values = [gap.p_value for _, gap in tested]
        by_draw = as_p_values(self._errors(tested, baseline, draws, rng))
        adjusted: list[float | None] = [None] * len(gaps)
        found = step_down(p_values, by_draw)
        for (method, _), p in zip(tested, found, strict=True):
            adjusted[method] = p
        still_open = [place for place, p in enumerate(found) if p >= level]
        return Family(tuple(gaps), tuple(adjusted), single_level(by_draw[:, still_open], level))

    def draw(self, *, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
        """Draw the true scores of all methods together, shape (draws, methods).

        All methods need a seed in common. Methods that do well on the same examples move together; so do
        methods on the same seeds.
        """
        methods = range(len(self._scores))
        if not self._enough:
            # Few methods or seeds: those seeds count that all methods have.
            scores = np.stack([self._on(method, self._common(methods)) for method in methods])
            if not self.by_example:
                # Two equal examples do not differ, so the draws contain the variation of seeds alone.
                scores = np.repeat(scores, 2, axis=2)
            return draw_scores(scores, rng=rng, draws=draws)
        drawn: Floats = np.array([own.mean() for own in self._scores]) + self._draw_by_seed(draws, rng)
        if self.by_example:
            by_example = np.stack([own.mean(axis=0) for own in self._scores])
            root = _root(np.cov(by_example) / by_example.shape[1])
            drawn += rng.standard_normal((draws, len(root))) @ root.T
        return drawn

    def _draw_by_seed(self, draws: int, rng: np.random.Generator) -> Floats:
        """Draw what seeds add to the mean scores, shape (draws, methods)."""
        ran = ~np.isnan(self._means)  # by member and seed
        counts = ran.sum(axis=1)
        shared = ran.astype(float) @ ran.T / np.sqrt(np.outer(counts, counts))
        root = _root(self._alike * shared)
        spread = np.sqrt(self._variances.draw(draws, rng) / counts)
        moved = spread * (rng.standard_normal((draws, len(root))) @ root.T)
        seeds = ran.shape[1]
        size = self._variances.common.typical * (seeds - 1) / rng.chisquare(seeds - 1, (draws, 1))
        moved += np.sqrt(size) * (rng.standard_normal((draws, seeds)) @ (ran.T / counts))
        own = np.array([place if place is not None else -1 for place in self._place])
        return np.where(own >= 0, moved[:, own], 0.0)

    def _errors(
        self,
        tested: Sequence[tuple[int, VarianceComponents]],
        baseline: int,
        draws: int,
        rng: np.random.Generator,
    ) -> Floats:
        """Draw the errors of gaps together, shape (draws, gaps)."""
        if not tested:
            return np.empty((draws, 0))
        found = np.empty((draws, len(tested)))
        base = self._place[baseline]
        shared = list(self._rows[baseline])
        drawn = self._variances.draw(draws, rng) if self._enough else np.empty((draws, 0))
        of_base = rng.standard_normal((draws, len(shared)))
        if base is not None and self._enough:
            of_base *= np.sqrt(drawn[:, [base]])
        for column, (method, gap) in enumerate(tested):
            place = self._place[method]
            normal = rng.standard_normal(draws)
            if gap.borrowed is None or base is None or place is None:
                known = gap.seed_variance
                found[:, column] = normal * np.sqrt(
                    rng.choice(known.values, size=draws, p=known.weights)
                )
                continue
            rows = [shared.index(seed) for seed in self._common([method, baseline])]
            found[:, column] = normal * np.sqrt(drawn[:, place] / len(rows))
            found[:, column] -= of_base[:, rows].mean(axis=1)
        if self.by_example:
            means = [self._difference(method, baseline).mean(axis=0) for method, _ in tested]
            covariance = np.atleast_2d(np.cov(np.stack(means))) / len(means[0])
            found += rng.standard_normal((draws, len(tested))) @ _root(covariance).T
        return found

    def _difference(self, one: int, other: int) -> Floats:
        common = self._common([one, other])
        return self._on(one, common) - self._on(other, common)

    def _effects(self, values: Floats) -> VarianceComponents:
        return random_effects(values) if self.by_example else seed_effects(list(values[:, 0]))

    def _on(self, method: int, seeds: Sequence[int]) -> Floats:
        found: Floats = self._scores[method][[self._rows[method][seed] for seed in seeds]]
        return found

    def _common(self, methods: Sequence[int]) -> list[int]:
        """Return the seeds that all of some methods ran with, in the order of the first."""
        first, *rest = (self._rows[method] for method in methods)
        return [seed for seed in first if all(seed in rows for rows in rest)]

    def _varies(self, method: int) -> bool:
        scores = self._scores[method]
        return len(scores) > 1 and bool(np.ptp(scores, axis=0).max() > _NOTHING)

    def _places(self) -> tuple[list[int | None], list[int]]:
        """Return each method's place among those judged together, and the methods at these places.

        Methods that do not vary have no place, and methods with the same scores have the same one.
        """
        members: list[int] = []
        places: list[int | None] = []
        for method in range(len(self._scores)):
            if not self._varies(method):
                places.append(None)
                continue
            same = (
                place
                for place, member in enumerate(members)
                if self._rows[member] == self._rows[method]
                and np.array_equal(self._scores[member], self._scores[method])
            )
            place = next(same, len(members))
            if place == len(members):
                members.append(method)
            places.append(place)
        return places, members

    @cached_property
    def _variances(self) -> SeedVariances:
        """Return what the members say together about their variances between seeds."""
        return SeedVariances(self._means, self._apart)

    @cached_property
    def _means(self) -> Floats:
        """Return the mean score of each member with each seed, nan if it did not run with it."""
        seeds = list(dict.fromkeys(seed for member in self._members for seed in self._rows[member]))
        found = np.full((len(self._members), len(seeds)), np.nan)
        for place, member in enumerate(self._members):
            for seed, row in self._rows[member].items():
                found[place, seeds.index(seed)] = self._scores[member][row].mean()
        return found

    @cached_property
    def _noise(self) -> Floats:
        """Return the covariances of scores that come from the test examples, shape (members, members).

        They rest on the seeds of all members. Without two of these, methods are taken as independent.
        """
        members, seeds = self._members, self._common(self._members)
        if not self.by_example:
            return np.diag(np.full(len(members), self._rounding))
        if len(seeds) < 2:
            squares = [self._effects(self._scores[member]).rest_square for member in members]
            return np.diag(np.array(squares) / self._scores[0].shape[1])
        values = np.stack([self._on(member, seeds) for member in members])
        values -= values.mean(axis=1, keepdims=True)
        values -= values.mean(axis=2, keepdims=True)
        flat = values.reshape(len(members), -1)
        examples = values.shape[2]
        degrees = (len(seeds) - 1) * (examples - 1)
        return np.asarray(flat @ flat.T / (degrees * examples), np.float64)

    @cached_property
    def _rounding(self) -> float:
        """Return the variance of what scores that are known by seed only are rounded by.

        Few answers give few different scores, so that methods sometimes differ by the same with each
        seed. Without this they would count as known without error.
        """
        scores = np.sort(np.concatenate([self._scores[member][:, 0] for member in self._members]))
        steps = np.diff(scores)
        return float(steps[steps > _NOTHING * np.ptp(scores)].min() ** 2 / 12)

    @cached_property
    def _shared_noise(self) -> float:
        """Return the noise that all members have in common."""
        members = len(self._members)
        between = float(self._noise.sum() - np.trace(self._noise))
        return max(0.0, between / (members * (members - 1)))

    @cached_property
    def _apart(self) -> Floats:
        """Return the noise of each member beyond that, shape (members,)."""
        own = np.diag(self._noise)
        return np.clip(own - self._shared_noise, 0.02 * own, None)

    @cached_property
    def _of_noise(self) -> Floats:
        """Return the correlations of what seeds do to members if they move as their noise does."""
        size = np.sqrt(np.outer(self._apart, self._apart)) + 1e-300
        found: Floats = np.clip((self._noise - self._shared_noise) / size, 0.0, 1.0) ** _TRUST
        np.fill_diagonal(found, 1.0)
        return found

    @cached_property
    def _alike(self) -> Floats:
        """Return the correlations of what seeds do to members, shape (members, members).

        Methods that are wrong together on single examples may or may not move together as a whole; the
        gaps of both say how likely that is.
        """
        found = self._of_noise.copy()
        for one, other in combinations(range(len(found)), 2):
            members = self._members[one], self._members[other]
            common = self._common(members)
            if len(common) > 1 and found[one, other]:
                gaps = self._effects(self._difference(*members))
                found[one, other] *= self._variances.dependent(
                    one,
                    other,
                    alike=float(found[one, other]),
                    noise=gaps.rest_square / (gaps.examples or 1),
                    square=_square(gaps),
                    seeds=len(common),
                )
            found[other, one] = found[one, other]
        return found


def _square(gaps: VarianceComponents) -> float:
    """Return the sum of squares of the mean gaps of single seeds."""
    return gaps.seed_square * (gaps.seeds - 1) / (gaps.examples or 1)


def _root(covariance: Floats) -> Floats:
    """Return a matrix whose product with its transpose is a covariance; rounding errors are dropped."""
    values, vectors = np.linalg.eigh(covariance)
    scale: Floats = np.sqrt(np.clip(values, 0, None))
    return np.asarray(vectors * scale)
