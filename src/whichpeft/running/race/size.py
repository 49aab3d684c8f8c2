"""How much a race costs, and the training examples and candidates that its bound buys.

A longer training shows more of what a method can do. More candidates show more of its learning rates. A
bound that is too small for both first costs candidates, then training examples, and at last methods: the
screen ends before all are tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from whichpeft.analysis.race.finalists import places_for
from whichpeft.analysis.race.rules import SCREENED, RaceRules
from whichpeft.analysis.race.stages import FEWEST_METHODS, KEPT, MOST_ARMS
from whichpeft.costs.trial_time import (
    SET_UP_SECONDS,
    evaluation_seconds,
    set_up_seconds,
    shares_by_profile,
)
from whichpeft.engine.profiling.budget import STANDARD, profile_seconds
from whichpeft.records import Record
from whichpeft.study import Budget

RUNGS = (1 / 4, 1 / 2, 1.0)
"""Shares of a whole training after which arms are compared."""

FEWEST_VALIDATED = 200
"""Validation examples that a race needs to tell methods apart."""

_FIRST_STEPS = 16  # before, a score means nothing: the learning rate is still warming up
_FEWEST_STEPS = 64  # of a whole training, so that a quarter of it is enough for the first rung
_ENOUGH_STEPS = 128  # with fewer, candidates are given up for training examples
_FEW_CANDIDATES = 4  # more are tried only if each still trains on all examples


def rungs_of(steps: int) -> tuple[int, ...]:
    """Return the steps of a whole training after which arms are compared."""
    early = (math.ceil(share * steps) for share in RUNGS[:-1])
    return (*(step for step in early if _FIRST_STEPS <= step < steps), steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """What trials cost. By default the unit is a training example, so that only training costs."""

    train: float = 1.0
    """Cost of training on one example."""

    evaluate: float = 0.0
    """Cost of evaluating one example."""

    trial: float = 0.0
    """Cost of a trial apart from that: its start, and loading the model."""

    profile: float = 0.0
    """Cost of a profile, with nothing beside it."""

    places: int = 1
    """Trials side by side."""

    shares: tuple[float, float] = (1.0, 1.0)
    """Shares of a cost between which it should lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceSize:
    """What a race does for its bound."""

    train: int
    """Training examples of a trial."""

    epochs: int
    """Passes over them."""

    validation: int | None
    """Validation examples at most; None for all."""

    candidates: int
    """Candidates of a method at most."""

    cost: float
    """What the race should cost until each finalist has had its second look."""

    fits: bool
    """Whether that is within the bound, with every method tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What a race has to do: its methods, and the trials that they have in common."""

    methods: int
    """Methods that race, the baseline included."""

    rules: RaceRules
    """The rules of the race."""

    budget: Budget
    """What a whole training may spend."""

    examples: Mapping[str, int]
    """Examples of the task by split."""

    pace: Pace
    """What trials cost."""

    @property
    def finalists(self) -> int:
        """Methods that are tested, the baseline not counted."""
        return max(1, min(self.methods - 1, places_for(self.methods, self.rules)))

    @property
    def whole(self) -> int:
        """Training examples without a bound."""
        return min(self.examples["train"], self.budget.max_train or self.examples["train"])

    @property
    def validated(self) -> int:
        """Validation examples."""
        count = self.examples["validation"]
        return min(count, self.budget.max_validation or count)

    @property
    def fewest(self) -> int:
        """Training examples with which a race can begin to tell methods apart."""
        return self.after(_FEWEST_STEPS)

    def after(self, steps: int) -> int:
        """Return the training examples with which a whole training has at least these steps."""
        return min(self.whole, math.ceil(steps / self.budget.epochs) * self.budget.batch_size)

    def cost(self, train: int, candidates: int, *, seeds: int | None = None) -> float:
        """Return the cost of a race.

        Parameters
        ----------
        train
            Training examples of a trial.
        candidates
            Candidates of a method.
        seeds
            Seeds of each finalist; by default those of the second look.
        """
        looks = self.rules.looks
        seeds = looks[min(1, len(looks) - 1)] if seeds is None else seeds
        trials = self._screens(train, candidates)
        audited = min(self.rules.audited, max(0, self.methods - FEWEST_METHODS))
        trials += audited * self._part(train, 1 - RUNGS[0])
        tested = self._part(train, 1.0) + self.examples["test"] * self.pace.evaluate
        trials += (self.finalists + 1) * seeds * tested
        return trials / self.pace.places + (self.finalists + 1) * self.pace.profile

    def screens_fit(self, candidates: int, bound: float) -> bool:
        """Whether all screens fit the share of a bound that is theirs, with all training examples."""
        return self._screens(self.whole, candidates) / self.pace.places <= SCREENED[-1] * bound

    def _screens(self, train: int, candidates: int) -> float:
        shares = [share - before for before, share in pairwise((0.0, *RUNGS))]
        screens = zip(self.screened(candidates), shares, strict=True)
        return sum((arms * self._part(train, share) for arms, share in screens), 0.0)

    def _part(self, train: int, share: float) -> float:
        """Return the cost of training an arm for a share of all steps, and of validating it."""
        validations = math.ceil(share * self.budget.epochs)
        return (
            self.pace.trial
            + share * self.budget.epochs * train * self.pace.train
            + validations * self.validated * self.pace.evaluate
        )

    def screened(self, candidates: int) -> list[int]:
        """Return how many arms train to each rung."""
        least = min(FEWEST_METHODS, self.methods)
        first = self.methods * candidates
        second = min(max(math.ceil(first / KEPT), least), MOST_ARMS * self.methods, first)
        return [first, second, min(max(math.ceil(second / KEPT), least), second)]


def size_for(work: Workload, bound: float | None) -> RaceSize:
    """Return the training examples and candidates that a bound buys.

    Parameters
    ----------
    work
        What the race has to do.
    bound
        What it may cost, in the unit of the pace; None for no bound.
    """
    most = work.rules.candidates

    def sized(train: int, candidates: int, *, fits: bool = False) -> RaceSize:
        cost = work.cost(train, candidates)
        fits = fits or bound is None or cost <= bound
        return RaceSize(
            train=train,
            epochs=work.budget.epochs,
            validation=work.budget.max_validation,
            candidates=candidates,
            cost=cost,
            fits=fits,
        )

    if bound is None:
        return sized(work.whole, most)
    many = _many(work, bound)
    if many is not None:
        return sized(work.whole, many, fits=True)
    few = min(most, _FEW_CANDIDATES)
    if work.cost(work.whole, few) <= bound:
        return sized(work.whole, few)
    for candidates in range(few, 0, -1):
        fixed = work.cost(0, candidates)
        each = work.cost(1, candidates) - fixed
        affordable = (bound - fixed) / each if each else math.inf
        batches = math.floor(min(affordable, work.whole) / work.budget.batch_size)
        train = batches * work.budget.batch_size
        if train >= work.after(_ENOUGH_STEPS):
            return sized(train, candidates)
    return sized(max(train, work.fewest), 1)


def _many(work: Workload, bound: float) -> int | None:
    """Return the candidates that a bound buys beside all training examples; None if only a few.

    The screens have to fit their share of the bound, and the finalists' first look the rest.
    """
    first = work.rules.looks[0]
    for candidates in range(work.rules.candidates, _FEW_CANDIDATES, -1):
        fits = work.cost(work.whole, candidates, seeds=first) <= bound
        if fits and work.screens_fit(candidates, bound):
            return candidates
    return None


def size_for_trials(work: Workload, trials: int) -> RaceSize:
    """Return the candidates that a number of whole trainings buys; each has all training examples."""
    plain = replace(work, pace=Pace())
    bound = trials * work.budget.epochs * work.whole
    many = _many(plain, bound)
    for candidates in (many,) if many else range(min(work.rules.candidates, _FEW_CANDIDATES), 0, -1):
        cost = plain.cost(work.whole, candidates)
        if cost <= bound:
            break
    return RaceSize(
        train=work.whole,
        epochs=work.budget.epochs,
        validation=work.budget.max_validation,
        candidates=candidates,
        cost=cost,
        fits=many is not None or cost <= bound,
    )


def least_bound(work: Workload) -> float:
    """Return the least that a choice may cost: one finalist and the baseline, at the first look."""
    rules = replace(work.rules, finalists=1)
    small = replace(_least_validated(work), methods=min(2, work.methods), rules=rules)
    return small.cost(work.fewest, 1, seeds=work.rules.looks[0])


def bound_to_prove(work: Workload) -> float:
    """Return what a race costs that tries every method and takes all looks at its finalists."""
    return _least_validated(work).cost(work.fewest, 1, seeds=work.rules.looks[-1])


def _least_validated(work: Workload) -> Workload:
    limit = work.budget.max_validation or FEWEST_VALIDATED
    return replace(work, budget=replace(work.budget, max_validation=limit))


def pace_of(profile: Record, budget: Budget, places: int) -> Pace:
    """Return the pace in seconds that a profile of the baseline shows; most methods train faster."""
    rate = profile.value("samples_per_second")
    return Pace(
        train=1 / rate if rate else 0.0,
        evaluate=evaluation_seconds(profile, budget.batch_size) or 0.0,
        trial=max(SET_UP_SECONDS, set_up_seconds(profile)),  # a rung may leave a checkpoint too
        profile=profile_seconds(STANDARD),
        places=places,
        shares=shares_by_profile(profile),
    )
