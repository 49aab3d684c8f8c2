"""The course of a race: what each method showed and took, from decisions and records together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.race.from_records import entrant_of, rung_scores, tested_arms
from whichpeft.analysis.race.ranking import rank_arms, rank_scored
from whichpeft.analysis.race.rules import RaceRules, constraints_of, rules_of
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.records import Arm, Entrant, Race, Record, Stage
from whichpeft.records.record import finite
from whichpeft.study import Study


@dataclass(frozen=True)
class Course:
    """A race with its records."""

    study: Study
    """The study whose methods raced."""

    race: Race
    """Its decisions."""

    records: tuple[Record, ...]
    """The records of its run folder."""

    @cached_property
    def scores(self) -> dict[tuple[Arm, int], RungScore]:
        """What each arm showed at the rungs that it has reached."""
        return rung_scores(self.race, self.records)

    @cached_property
    def by_method(self) -> dict[str, list[Record]]:
        """The records of each method of the race."""
        found: dict[str, list[Record]] = {entrant.method: [] for entrant in self.race.entrants}
        for record in self.records:
            method = entrant_of(self.race, record.trial)
            if method is not None:
                found[method].append(record)
        return found

    @cached_property
    def finalists(self) -> dict[str, Arm]:
        """The arm that each finalist, or the baseline, was tested with."""
        return {arm.method: arm for arm in tested_arms(self.race)}

    @cached_property
    def ranked(self) -> dict[int, list[Arm]]:
        """The arms of each screen by its steps, best first and failed ones last."""
        return {
            stage.step: rank_arms(stage.arms, stage.step, self.scores)
            for stage in self.race.stages
            if stage.name == "screen"
        }

    @cached_property
    def audited(self) -> set[str]:
        """The methods that were trained to the end although they had been dropped."""
        audits = (stage for stage in self.race.stages if stage.name == "audit")
        return {arm.method for stage in audits for arm in stage.arms if arm not in stage.cut}

    @cached_property
    def whole_examples(self) -> float:
        """Training examples of a whole training; 0 as long as no trial says so."""
        found = 0.0
        for record in self.records:
            steps = finite(record.value("steps", "fit"))
            if steps:
                found = max(found, examples_of([record]) / steps * self.last_step)
        return found

    @property
    def chance(self) -> float | None:
        """The score of guessing, a fraction; None if no trial says so."""
        known = (finite(record.value("chance")) for record in self.records)
        return next((value for value in known if value is not None), None)

    @property
    def constraints(self) -> Constraints:
        """The limits, the cost and the margin that the answer has to fit."""
        return constraints_of(self.study)

    @property
    def rules(self) -> RaceRules:
        """The rules that the race follows."""
        return rules_of(self.study, self.chance)

    @property
    def racing(self) -> list[Entrant]:
        """The entrants that race."""
        return [entrant for entrant in self.race.entrants if entrant.arms]

    @property
    def last_step(self) -> int:
        """Optimiser steps of a whole training."""
        return self.race.rungs[-1]

    @property
    def screens(self) -> list[Stage]:
        """The stages after which arms are dropped."""
        return [stage for stage in self.race.stages if stage.name == "screen"]

    def share(self, step: int) -> float:
        """Return steps as a share of a whole training."""
        return step / self.last_step

    def arms(self, method: str) -> list[Arm]:
        """Return the arms of a method that started, by number."""
        return sorted({arm for stage in self.race.stages for arm in stage.arms if arm.method == method})

    def reached(self, method: str) -> int:
        """Return the steps after which a method was compared last; 0 if it never was."""
        return max((step for arm, step in self.scores if arm.method == method), default=0)

    def screened(self, method: str) -> int:
        """Return the steps of the last screen that compared a method; 0 if none did."""
        own = {stage.step for stage in self.screens for arm in stage.arms if arm.method == method}
        return max(
            (step for arm, step in self.scores if arm.method == method and step in own), default=0
        )

    def best_arm(self, method: str) -> tuple[Arm, RungScore] | None:
        """Return the best arm of a method at the last rung that it has reached, and what it showed."""
        step = self.reached(method)
        ranked = rank_arms(self.arms(method), step, self.scores)
        return (ranked[0], self.scores[ranked[0], step]) if ranked else None

    def order(self, step: int) -> list[str]:
        """Return the methods that worked until a rung, the best first, each by its best arm."""
        started = [arm for stage in self.race.stages for arm in stage.arms]
        ranked = rank_scored(started, step, self.scores)
        return list(dict.fromkeys(arm.method for arm in ranked))

    def spent(self, method: str) -> tuple[float, float]:
        """Return the training examples and the seconds that the trials of a method took."""
        shown = [own for (arm, _), own in self.scores.items() if arm.method == method]
        # The records of an arm each count from its start, so they must not be added up.
        rest = [r for r in self.by_method[method] if r.trial.purpose in ("profile", "final")]
        return (
            sum(own.examples for own in shown) + examples_of(rest),
            sum(own.seconds for own in shown) + seconds_of(rest),
        )

    def seeds(self, method: str) -> tuple[int, ...]:
        """Return the seeds on which a method was tested."""
        done = (
            record.trial.seed
            for record in self.by_method.get(method, ())
            if record.trial.purpose == "final" and record.outcome.status == "completed"
        )
        return tuple(sorted(set(done)))


def examples_of(records: Iterable[Record]) -> float:
    """Return the examples that trials trained on."""
    return sum(finite(record.value("examples_trained", "fit")) or 0.0 for record in records)


def seconds_of(records: Iterable[Record]) -> float:
    """Return the seconds of trials, one after the other."""
    return sum(finite(record.value("total_seconds", "all")) or 0.0 for record in records)


def share_in_words(share: float) -> str:
    """Name a share of training: ``a quarter of training``, ``30 % of training``."""
    known = {0.25: "a quarter of training", 0.5: "half of training", 1.0: "the whole training"}
    near = min(known, key=lambda value: abs(value - share))
    return known[near] if abs(near - share) < 0.02 else f"{100 * share:.0f} % of training"
