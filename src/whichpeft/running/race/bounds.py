"""What a race may still spend, in seconds or in training examples, and what that buys.

A bound is divided among the stages: by the end of each, a share may be spent. What a stage leaves goes
to those after it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from whichpeft.analysis.race.rules import Afford
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records import Race
from whichpeft.records.race import StageName
from whichpeft.running.race.clock import Clock

_SCREEN = (0.30, 0.40, 0.52)  # that may be spent at the end of each screen
_UNTIL: Mapping[StageName, float] = {"audit": 0.57, "widen": 0.60, "finals": 1.0}
_UNKNOWN_SECONDS = 5.0  # of an arm, before any has been timed
_CAUTION = 1.2  # a first look that is not complete proves nothing
_PROFILE_SECONDS = 4.0  # of a finalist, with nothing else running


class Bound(Protocol):
    """What limits a race."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        """Return what can be paid for after some stages; `first_look` is its number of seeds."""

    def cut_at(self, race: Race) -> float | None:
        """Return when the last stage may start no more arms, by `time.monotonic`; None for never."""


class Unbounded:
    """No limit."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        return lambda name, step: None

    def cut_at(self, race: Race) -> float | None:
        return None


@dataclass(frozen=True)
class ExamplesBound:
    """A number of training examples. The same bound always gives the same race."""

    limit: int
    """Training examples of all trials together."""

    in_step: float
    """Training examples of an optimiser step."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        used = sum(score.examples for score in scores.values()) + self._of_finals(race)

        def most(name: StageName, step: int) -> int:
            steps = _steps(race, name, step, first_look)
            left = share(race, name, step) * self.limit - used
            return max(0, int(left // (steps * self.in_step)))

        return most

    def _of_finals(self, race: Race) -> float:
        """Return the examples of the finals so far."""
        seeds = {
            arm: stage.seeds for stage in race.stages if stage.name == "finals" for arm in stage.arms
        }
        return sum(len(own) for own in seeds.values()) * race.rungs[-1] * self.in_step

    def cut_at(self, race: Race) -> float | None:
        return None


@dataclass(frozen=True)
class TimeBound:
    """A number of seconds."""

    clock: Clock
    """The time of the race."""

    began: float
    """When the first arm could start, by `time.monotonic`."""

    places: int
    """How many trials run side by side."""

    def afford(self, race: Race, scores: RungScores, first_look: int) -> Afford:
        def most(name: StageName, step: int) -> int | None:
            if not scores:
                return None  # arms start until the time for them is over
            left = self._until(race, name, step) - time.monotonic()
            each = self._seconds(race, scores, _steps(race, name, step, first_look)) / self.places
            if name == "finals":
                each = _CAUTION * each + _PROFILE_SECONDS
            return max(0, int(left // each))

        return most

    def cut_at(self, race: Race) -> float | None:
        last = race.stages[-1]
        return self._until(race, last.name, last.step)

    def _until(self, race: Race, name: StageName, step: int) -> float:
        end = self.clock.end
        assert end is not None
        return self.began + share(race, name, step) * (end - self.began)

    def _seconds(self, race: Race, scores: RungScores, steps: float) -> float:
        """Estimate the seconds of an arm's steps by those of the first rung, its set-up included."""
        first = race.rungs[0]
        known = [score.seconds for (_, step), score in scores.items() if step == first]
        each = statistics.fmean(known) if known else _UNKNOWN_SECONDS
        return max(0.1, each * steps / first)


def share(race: Race, name: StageName, step: int) -> float:
    """Return the share of a bound that may be spent when a stage ends."""
    if name != "screen":
        return _UNTIL[name]
    place = len(_SCREEN) - len(race.rungs) + race.rungs.index(step)
    return _SCREEN[max(0, place)]


def _steps(race: Race, name: StageName, step: int, first_look: int) -> float:
    """Return the optimiser steps that one more arm of a stage takes."""
    if name == "finals":
        return first_look * race.rungs[-1]
    before = [rung for rung in race.rungs if rung < step]
    if name == "screen":
        return step - (before[-1] if before else 0)
    return step - race.rungs[0] if before else step  # most dropped arms left at the first rung
