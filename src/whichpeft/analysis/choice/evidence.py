"""What the final trials of several methods say about their true scores, together.

Two methods are compared on the seeds that both ran and on the same test examples. Whatever makes a seed
or an example easy for both cancels in their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Protocol

import numpy as np

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.analysis.example_scores import ScoresByExample
from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval
from whichpeft.analysis.statistics.random_effects import (
    StandardErrors,
    VarianceComponents,
    standard_errors,
)
from whichpeft.analysis.statistics.together import DRAWS, MethodsTogether
from whichpeft.analysis.verdicts import by_seed
from whichpeft.metrics.metric import Floats

NO_GAP = Interval(0.0, 0.0, 0.0)
"""The gap of a method to itself."""


class Evidence(Protocol):
    """What is known about the true scores of several methods, which are named by their place."""

    @property
    def means(self) -> Floats:
        """Observed mean scores, shape (methods,)."""
        ...

    @property
    def draws(self) -> Floats | None:
        """Draws of the true scores, shape (draws, methods); None if an error cannot be estimated."""
        ...

    @property
    def fewest_seeds(self) -> int:
        """Lowest number of seeds."""
        ...

    def proves(self, method: int, other: int) -> bool:
        """Whether the error of a gap can be estimated (`VarianceComponents.has_error_estimate`)."""
        ...

    def gap(self, method: int, other: int, confidence: float = CONFIDENCE) -> Interval:
        """Return how much higher `method` scores than `other`, with its two-sided interval."""
        ...


@dataclass(frozen=True)
class TrialEvidence:
    """Evidence from the trials of one backbone on one task."""

    scores: Sequence[Floats]
    """Scores of each method as fractions, shape (seeds, examples).

    With only one score per seed there is one example, and conclusions hold for this test set.
    """

    seeds: Sequence[Sequence[int]]
    """The seeds of each method; all share at least one."""

    rng: np.random.Generator
    """Draws the true scores."""

    @cached_property
    def means(self) -> Floats:
        """Return the mean scores, shape (methods,)."""
        return np.array([own.mean() for own in self.scores])

    @cached_property
    def draws(self) -> Floats | None:
        """Return draws of the true scores, shape (draws, methods)."""
        if self.examples is None:
            pairs = combinations(range(len(self.scores)), 2)
            if self.fewest_seeds < 2 or not all(self.proves(*pair) for pair in pairs):
                return None
        return self.together.draw(rng=self.rng, draws=DRAWS)

    @cached_property
    def together(self) -> MethodsTogether:
        """Return the methods, judged together."""
        return MethodsTogether(self.scores, self.seeds)

    @property
    def fewest_seeds(self) -> int:
        """Return the number of seeds of the method with the fewest."""
        return min(len(own) for own in self.seeds)

    def proves(self, method: int, other: int) -> bool:
        """Return whether the error of a gap can be estimated."""
        return self.effects(method, other).has_error_estimate

    @property
    def examples(self) -> int | None:
        """Return the number of test examples; None if scores are not known by example."""
        count = self.scores[0].shape[1]
        return count if count > 1 else None

    def effects(self, method: int, other: int) -> VarianceComponents:
        """Return the variance components of the differences of two methods' scores."""
        if (method, other) not in self._known:
            found = self.together.gap(method, other)
            assert found is not None  # all methods share a seed
            self._known[method, other] = found
        return self._known[method, other]

    @cached_property
    def _known(self) -> dict[tuple[int, int], VarianceComponents]:
        return {}

    def gap(self, method: int, other: int, confidence: float = CONFIDENCE) -> Interval:
        """Return how much higher `method` scores than `other`, with its two-sided interval."""
        if method == other:
            return NO_GAP
        return self.effects(method, other).interval(confidence)


@dataclass(frozen=True)
class EvidenceAcrossTasks:
    """Evidence on the mean score over tasks.

    Gaps rest on each task's own differences of the two methods, as they do for one task, and not on
    `draws` of all methods.
    """

    tasks: tuple[TrialEvidence, ...]
    """The evidence on each task."""

    places: Sequence[Sequence[int]]
    """The methods' places in the evidence of each task, in one order."""

    rng: np.random.Generator
    """Draws the errors of gaps."""

    @cached_property
    def means(self) -> Floats:
        """Return the mean scores over the tasks, shape (methods,)."""
        own = [task.means[list(p)] for task, p in zip(self.tasks, self.places, strict=True)]
        found: Floats = np.mean(own, axis=0)
        return found

    @cached_property
    def draws(self) -> Floats | None:
        """Return draws of the true mean scores, shape (draws, methods)."""
        drawn = [
            task.draws[:, list(p)]
            for task, p in zip(self.tasks, self.places, strict=True)
            if task.draws is not None
        ]
        if len(drawn) < len(self.tasks):
            return None
        found: Floats = np.mean(drawn, axis=0)
        return found

    @property
    def fewest_seeds(self) -> int:
        """Return the lowest number of seeds of a task."""
        return min(task.fewest_seeds for task in self.tasks)

    def proves(self, method: int, other: int) -> bool:
        """Return whether the error of a gap can be estimated on every task."""
        return all(effects.has_error_estimate for effects in self.effects(method, other))

    def effects(self, method: int, other: int) -> list[VarianceComponents]:
        """Return the variance components of the differences of two methods' scores on each task."""
        return [
            task.effects(places[method], places[other])
            for task, places in zip(self.tasks, self.places, strict=True)
        ]

    def gap(self, method: int, other: int, confidence: float = CONFIDENCE) -> Interval:
        """Return how much higher `method` scores than `other`, with its two-sided interval."""
        if method == other:
            return NO_GAP
        mean = float(np.mean([effects.mean for effects in self.effects(method, other)]))
        half = self._half_width(min(method, other), max(method, other), confidence)
        return Interval(mean, None, None) if half is None else Interval(mean, mean - half, mean + half)

    def score(self, method: int) -> Interval:
        """Return a method's mean score over the tasks with its 95 % interval."""
        mean = float(self.means[method])
        if self.draws is None:
            return Interval(mean, None, None)
        low, high = np.quantile(self.draws[:, method], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Interval(mean, float(low), float(high))

    def _half_width(self, method: int, other: int, confidence: float) -> float | None:
        """Return half the width of a gap's interval; None if the error of a task cannot be estimated."""
        key = method, other, confidence
        if key not in self._half_widths:
            own = self.effects(method, other)
            half = None
            if all(effects.interval().low is not None for effects in own):
                drawn = [e.errors(draws) for e, draws in zip(own, self._standard, strict=True)]
                half = float(np.quantile(np.abs(np.mean(drawn, axis=0)), confidence))
            self._half_widths[key] = half
        return self._half_widths[key]

    @cached_property
    def _half_widths(self) -> dict[tuple[int, int, float], float | None]:
        return {}

    @cached_property
    def _standard(self) -> list[StandardErrors]:
        """Draw the errors on each task before they are scaled, once for all pairs of methods."""
        return [standard_errors(task.examples, rng=self.rng, draws=DRAWS) for task in self.tasks]


def gather(
    methods: Sequence[MethodRecords], scores: ScoresByExample, *, rng: np.random.Generator
) -> TrialEvidence | None:
    """Gather the completed final trials of at least one method.

    Scores are known by example if every trial left its predictions; otherwise there is one score
    per seed. Return None if the methods share no seed.
    """
    found = [scores.of(records.completed) for records in methods]
    known = [values for values in found if values is not None]
    seeds = [[record.trial.seed for record in records.completed] for records in methods]
    if len(known) < len(found):
        whole = [by_seed(records) for records in methods]
        known = [np.array(list(own.values()))[:, None] for own in whole]
        seeds = [list(own) for own in whole]
    if not set.intersection(*(set(own) for own in seeds)):
        return None
    return TrialEvidence(known, seeds, rng)
