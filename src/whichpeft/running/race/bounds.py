"""What a race may still spend, in seconds or in training examples, and what that buys.

A bound is divided among the stages: by the end of each, a share may be spent. What a stage leaves goes
to those after it.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import Protocol

from whichpeft.analysis.race.rules import SCREENED, UNTIL, Afford
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records import Race, Stage
from whichpeft.records.race import StageName
from whichpeft.running.race.clock import Clock

_SET_UP = 1.0  # seconds of a trial before its first step
_LEAST = 0.05  # seconds of an arm apart from its steps
_CAUTION = 1.2  # a first look that is not complete proves nothing
_PROFILE_SECONDS = 4.0  # of a finalist, with nothing else running


class Bound(Protocol):
    """What limits a race."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        """Return what can be paid for after some stages; `first_look` is its number of seeds."""

    def cut_at(self, race: Race) -> float | None:
        """Return when the last stage may start no more arms, by `time.monotonic`; None for never."""

    def pays_for(self, race: Race, scores: RungScores, look: Stage) -> bool:
        """Whether one more look of the finals can be paid for."""


class Unbounded:
    """No limit."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        return lambda name, step: None

    def cut_at(self, race: Race) -> float | None:
        return None

    def pays_for(self, race: Race, scores: RungScores, look: Stage) -> bool:
        return True


@dataclass(frozen=True)
class ExamplesBound:
    """A number of training examples. The same bound always gives the same race."""

    limit: int
    """Training examples of all trials together."""

    in_step: float
    """Training examples of an optimiser step."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        used = self._used(race, scores)

        def most(name: StageName, step: int) -> int:
            steps = _steps(race, name, step, first_look)
            left = share(race, name, step) * self.limit - used
            return max(0, int(left // (steps * self.in_step)))

        return most

    def _used(self, race: Race, scores: RungScores) -> float:
        """Return the examples of all stages, those of planned looks included."""
        looks = [stage for stage in race.stages if stage.name == "finals"]
        seeds = {arm: stage.seeds for stage in looks for arm in stage.arms}
        finals = sum(len(own) for own in seeds.values()) * race.rungs[-1] * self.in_step
        return finals + sum(score.examples for score in scores.values())

    def cut_at(self, race: Race) -> float | None:
        return None

    def pays_for(self, race: Race, scores: RungScores, look: Stage) -> bool:
        return self._used(replace(race, stages=(*race.stages, look)), scores) <= self.limit


@dataclass(frozen=True)
class TimeBound:
    """A number of seconds."""

    clock: Clock
    """The time of the race."""

    began: float
    """When the first arm could start, by `time.monotonic`."""

    places: int
    """How many trials run side by side."""

    tested: float
    """Test examples of a final trial, as a multiple of the validation examples of an arm."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        def most(name: StageName, step: int) -> int | None:
            if not scores:
                return None  # arms start until the time for them is over
            left = self._until(race, name, step) - time.monotonic()
            fixed, of_step = _pace(race, scores)
            if name == "finals":
                whole = fixed + of_step * race.rungs[-1] + max(0.0, fixed - _SET_UP) * self.tested
                each = _CAUTION * first_look * whole / self.places + _PROFILE_SECONDS
            else:
                each = (fixed + of_step * _steps(race, name, step, first_look)) / self.places
            return max(0, int(left // each))

        return most

    def cut_at(self, race: Race) -> float | None:
        last = race.stages[-1]
        return self._until(race, last.name, last.step)

    def pays_for(self, race: Race, scores: RungScores, look: Stage) -> bool:
        return True  # its trials end when the time is over

    def _until(self, race: Race, name: StageName, step: int) -> float:
        end = self.clock.end
        assert end is not None
        return self.began + share(race, name, step) * (end - self.began)


def _pace(race: Race, scores: RungScores) -> tuple[float, float]:
    """Return the seconds of an arm apart from its steps, and those of a step, as arms have shown.

    A rung takes its set-up, its steps and a validation. Rungs of different lengths tell these apart;
    before there are any, half of the time is taken to be that of the steps.
    """
    before = dict(zip(race.rungs, (0, *race.rungs), strict=False))
    known = [(step - before[step], score.seconds) for (_, step), score in scores.items()]
    steps, seconds = (statistics.fmean(values) for values in zip(*known, strict=True))
    if len({own for own, _ in known}) < 2:
        return max(_LEAST, seconds / 2), seconds / 2 / steps
    slope = statistics.linear_regression(*zip(*known, strict=True)).slope
    of_step = min(max(slope, 0.25 * seconds / steps), 0.9 * seconds / steps)
    return max(_LEAST, seconds - of_step * steps), of_step


def share(race: Race, name: StageName, step: int) -> float:
    """Return the share of a bound that may be spent when a stage ends."""
    if name != "screen":
        return UNTIL[name]
    place = len(SCREENED) - len(race.rungs) + race.rungs.index(step)
    return SCREENED[max(0, place)]


def _steps(race: Race, name: StageName, step: int, first_look: int) -> float:
    """Return the optimiser steps that one more arm of a stage takes."""
    if name == "finals":
        return first_look * race.rungs[-1]
    before = [rung for rung in race.rungs if rung < step]
    if name == "screen":
        return step - (before[-1] if before else 0)
    return step - race.rungs[0] if before else step  # most dropped arms left at the first rung
