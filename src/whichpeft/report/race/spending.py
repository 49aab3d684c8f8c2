"""Where the time of a race went, and what an exhaustive study would have taken."""

from __future__ import annotations

from dataclasses import dataclass

from whichpeft.records import Arm
from whichpeft.report.race.course import Course, examples_of, seconds_of, share_in_words
from whichpeft.report.text import UNKNOWN
from whichpeft.units import show_count, show_seconds

EXHAUSTIVE_SEEDS = 5
"""Seeds of each method in the exhaustive study that a race is compared with."""

SPENDING_COLUMNS = ("where the training went", "trials", "whole trainings", "time of trials, added up")
"""The headings of the table of what a race took."""

_FINALS = "finals"
_PROFILES = "profiles"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What one part of a race took."""

    part: str
    """What it was spent on, in words."""

    trials: int
    """Number of trials."""

    units: float
    """Training examples as a number of whole trainings."""

    examples: int
    """Training examples."""

    seconds: float
    """Seconds of the trials, one after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhaustive:
    """What it takes to train every candidate of every method to the end, and to test every method."""

    searches: int
    """Whole trainings of candidates."""

    finals: int
    """Whole trainings of final trials."""

    @property
    def units(self) -> int:
        """Return the whole trainings of all."""
        return self.searches + self.finals


def exhaustive(course: Course) -> Exhaustive:
    """Return the whole trainings of an exhaustive study of the methods that race."""
    return Exhaustive(
        searches=sum(len(entrant.arms) for entrant in course.racing),
        finals=EXHAUSTIVE_SEEDS * len(course.racing),
    )


def spending(course: Course) -> list[Spent]:
    """Return what each part of a race took, in the order in which they began."""
    part_of: dict[tuple[Arm, int], str] = {}
    taken: dict[str, list[tuple[float, float]]] = {}
    for stage in course.race.stages:
        part = _part(stage.name, course.share(stage.step))
        taken.setdefault(part, [])
        for arm in stage.arms:
            part_of.setdefault((arm, stage.step), part)
    for (arm, step), shown in course.scores.items():
        part = part_of.get((arm, step)) or _part("screen", course.share(step))
        taken.setdefault(part, []).append((shown.examples, shown.seconds))
    for record in (record for own in course.by_method.values() for record in own):
        found = {"profile": _PROFILES, "final": _FINALS}.get(record.trial.purpose)
        if found is not None and record.outcome.status != "refused":
            trial = examples_of([record]), seconds_of([record])
            taken.setdefault(found, []).append(trial)
    whole = course.whole_examples
    return [
        Spent(
            part=part,
            trials=len(trials),
            units=sum(examples for examples, _ in trials) / whole if whole else 0.0,
            examples=round(sum(examples for examples, _ in trials)),
            seconds=sum(seconds for _, seconds in trials),
        )
        for part, trials in taken.items()
        if trials
    ]


def spending_cells(course: Course) -> list[tuple[str, ...]]:
    """Return the cells of the table of what a race took; empty before the first trial has finished."""
    parts = spending(course)
    if not parts:
        return []
    units, seconds = sum(own.units for own in parts), sum(own.seconds for own in parts)
    trials = sum(own.trials for own in parts)
    whole = exhaustive(course).units
    guess = f"about {show_seconds(seconds / units * whole)}" if units else UNKNOWN
    return [
        *((own.part, *_cells(own.trials, own.units, own.seconds)) for own in parts),
        ("the whole race", *_cells(trials, units, seconds)),
        ("an exhaustive study", show_count(whole), show_count(whole), guess),
    ]


def _cells(trials: int, units: float, seconds: float) -> tuple[str, ...]:
    return show_count(trials), f"{units:.1f}", show_seconds(seconds)


def _part(stage: str, share: float) -> str:
    if stage == "screen":
        return "screen to the end" if share > 0.99 else f"screen on {share_in_words(share)}"
    return {"audit": "audit", "widen": "widened screen"}.get(stage, _FINALS)
