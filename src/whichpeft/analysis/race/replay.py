"""A race on recorded curves: what it would have chosen, in milliseconds.

The stages are those of a real race. Its finals are judged with normal errors and one variance of seeds
for all finalists, which takes a thousandth of the time that `choose` takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whichpeft.analysis.race.rules import SCREENED, UNTIL, RaceRules
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.analysis.race.stages import next_stage
from whichpeft.metrics.metric import Floats
from whichpeft.records.race import Arm, Entrant, Race, Stage, StageName

LEVEL = 0.03
"""Level of each test at a look. Real finals compute theirs (`whichpeft.analysis.choice.proof`), which is
lower the more finalists there are; so a replay proves more often than a race does."""

DROP = 0.01
"""A finalist shown to be below the margin at this level gets no more seeds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """What every candidate of several methods did on several seeds."""

    arms: tuple[Arm, ...]
    """The candidates; number 0 of a method has its defaults."""

    steps: tuple[int, ...]
    """The rungs; the last is a whole training."""

    scores: Floats
    """Validation scores as fractions, shape (arms, seeds, rungs); not a number if the arm failed.

    At the last rung it is the best score that was reached, as in the record.
    """

    losses: Floats
    """Validation losses, of the same shape."""

    correct: NDArray[np.bool_]
    """Whether each test example was right, shape (arms, seeds, examples)."""

    costs: Floats
    """What the choice minimises, shape (arms,)."""

    examples: int
    """Training examples of a whole training."""

    chance: float | None
    """Score of the best constant prediction."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods, in order."""
        return tuple(dict.fromkeys(arm.method for arm in self.arms))

    @property
    def seeds(self) -> int:
        """Return the number of seeds."""
        return int(self.scores.shape[1])

    @property
    def exhaustive_examples(self) -> int:
        """Return the training examples of all candidates on all seeds."""
        return len(self.arms) * self.seeds * self.examples

    @cached_property
    def true_scores(self) -> Floats:
        """Return each arm's mean test score, shape (arms,)."""
        found: Floats = self.correct.mean(axis=(1, 2))
        return found

    @cached_property
    def best(self) -> float:
        """Return the score of the best method, with the candidate that validation on all seeds picks."""
        shown = np.nan_to_num(self.scores[:, :, -1], nan=-math.inf).mean(axis=1)
        found = []
        for method in self.methods:
            own = [i for i, arm in enumerate(self.arms) if arm.method == method]
            found.append(self.true_scores[own[int(np.argmax(shown[own]))]])
        return float(max(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a replayed race ended."""

    chosen: Arm
    """The chosen candidate, with its number in the table."""

    proved: bool
    """Whether it was proved to be within the margin of every finalist."""

    score: float
    """Its true score."""

    shown: float
    """Its score in the finals."""

    examples: int
    """Training examples of the whole race."""

    race: Race
    """The decisions; candidates have their numbers in the table."""


def replay(table: Table, rules: RaceRules, examples: int | None = None, *, seed: int) -> Outcome:
    """Race on a table.

    Parameters
    ----------
    table
        The recorded curves.
    rules
        The rules of the race.
    examples
        Training examples that the race may use; None for no limit.
    seed
        Draws the candidates that each method has, the seed of the screen and those of the finals.
    """
    return _Replay(table, rules, examples, np.random.default_rng(seed)).run()


class _Replay:
    def __init__(
        self, table: Table, rules: RaceRules, examples: int | None, rng: np.random.Generator
    ) -> None:
        self.table, self.rules, self.budget, self.rng = table, rules, examples, rng
        self.places = {arm: i for i, arm in enumerate(table.arms)}
        self.screen_seed = int(rng.integers(table.seeds))
        self.numbers = {method: self._drawn_numbers(method) for method in table.methods}
        self.shown: dict[tuple[Arm, int], RungScore] = {}
        self.used = 0

    def run(self) -> Outcome:
        entrants = tuple(
            Entrant(method=method, candidates=len(numbers)) for method, numbers in self.numbers.items()
        )
        race = Race(entrants=entrants, rungs=self.table.steps)
        while (stage := next_stage(race, self.shown, self.rules, self.afford)) is not None:
            race = replace(race, stages=(*race.stages, stage))
            if stage.name != "finals":
                self.train(stage)
        return self.finals(race)

    def _drawn_numbers(self, method: str) -> list[int]:
        """Return the candidates of the table that a method races with, its default first."""
        own = [arm.number for arm in self.table.arms if arm.method == method and arm.number]
        count = min(self.rules.candidates - 1, len(own))
        return [0, *sorted(int(n) for n in self.rng.choice(own, count, replace=False))]

    def place(self, arm: Arm) -> int:
        """Return the row of the table of an arm of the race."""
        return self.places[Arm(method=arm.method, number=self.numbers[arm.method][arm.number])]

    def train(self, stage: Stage) -> None:
        """Read the validations of a stage's arms, and count what they would have cost."""
        rung = self.table.steps.index(stage.step)
        for arm in stage.arms:
            at = self.place(arm), self.screen_seed, rung
            score, loss = float(self.table.scores[at]), float(self.table.losses[at])
            cost = self.share(stage.step) - self.share(self.reached(arm))
            self.used += cost
            self.shown[arm, stage.step] = RungScore(
                None if math.isnan(score) else score, None if math.isnan(loss) else loss, cost
            )

    def reached(self, arm: Arm) -> int:
        """Return the steps that an arm has already had."""
        return max((step for step in self.table.steps if (arm, step) in self.shown), default=0)

    def share(self, step: int) -> int:
        """Return the training examples until a step."""
        return self.table.examples * step // self.table.steps[-1]

    def afford(self, name: StageName, step: int) -> int | None:
        """Return how many arms can be paid for, so that later stages have their shares."""
        if self.budget is None:
            return None
        rung = self.table.steps.index(step)
        skipped = len(SCREENED) - len(self.table.steps)
        share = SCREENED[skipped + rung] if name == "screen" else UNTIL[name]
        before = (
            0 if name == "finals" or rung == 0 else self.table.steps[rung - 1 if name == "screen" else 0]
        )
        price = self.share(step) - self.share(before)
        if name == "finals":
            price *= self.rules.looks[0]
        return max(0, int((share * self.budget - self.used) // price))

    def finals(self, race: Race) -> Outcome:
        """Test the finalists until a choice is proved, or all looks are over."""
        arms = race.stages[-1].arms
        rows = [self.place(arm) for arm in arms]
        others = [seed for seed in range(self.table.seeds) if seed != self.screen_seed]
        most = self.rules.looks[-1]
        drawn = [self.rng.choice(others, most) for _ in arms]
        scores = np.array(
            [self.table.correct[row, own] for row, own in zip(rows, drawn, strict=True)], dtype=float
        )
        costs = self.table.costs[rows]
        going, had, stages = list(range(len(arms))), 0, list(race.stages[:-1])
        for count in self.rules.looks:
            price = (count - had) * len(going) * self.table.examples
            if had and self.budget is not None and self.used + price > self.budget:
                break
            self.used, had = self.used + price, count
            stages.append(
                replace(
                    race.stages[-1],
                    arms=tuple(arms[i] for i in going),
                    seeds=tuple(range(count)),
                )
            )
            chosen, proved, still = judge(scores[going, :count], costs[going], self.rules.margin)
            best = going[chosen]
            if proved:
                break
            going = [going[i] for i in still]
        row = rows[best]
        return Outcome(
            chosen=self.table.arms[row],
            proved=proved,
            score=float(self.table.true_scores[row]),
            shown=float(scores[best, :had].mean()),
            examples=self.used,
            race=replace(race, stages=tuple(self._as_in_table(stages))),
        )

    def _as_in_table(self, stages: Sequence[Stage]) -> Iterator[Stage]:
        for stage in stages:
            arms = tuple(self.table.arms[self.place(arm)] for arm in stage.arms)
            yield replace(stage, arms=arms)


def judge(scores: Floats, costs: Floats, margin: float) -> tuple[int, bool, list[int]]:
    """Return the place of the choice, whether it is proved, and the places that remain in question.

    Parameters
    ----------
    scores
        Shape (methods, seeds, examples).
    costs
        What the choice minimises, shape (methods,).
    margin
        The margin of the choice, a fraction.
    """
    from scipy.stats import norm, t

    means = scores.mean(axis=(1, 2))
    if len(means) == 1:
        return 0, False, [0]
    seeds, examples = scores.shape[1:]
    by_seed = scores.mean(axis=2).var(axis=1, ddof=1).mean() * 2 / seeds
    by_example = scores.mean(axis=1)
    apart = by_example[:, None] - by_example[None]
    errors = np.sqrt(by_seed + apart.var(axis=2, ddof=1) / examples)
    gaps = means[:, None] - means[None]
    df = len(means) * (seeds - 1)
    low = gaps - t.ppf(1 - LEVEL, df) * errors
    high = gaps + t.ppf(1 - DROP, df) * errors
    np.fill_diagonal(low, 0.0)
    within = low.min(axis=1) > -margin
    still = [i for i in range(len(means)) if high[i].min() >= -margin]
    if within.any():
        allowed = np.flatnonzero(within)
        return int(allowed[np.argmin(costs[allowed])]), True, still
    chances = norm.cdf((gaps + margin) / np.where(errors > 0, errors, 1.0))
    np.fill_diagonal(chances, 1.0)
    return int(np.argmax(chances.min(axis=1))), False, still
