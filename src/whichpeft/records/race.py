"""What a race between methods decided, in order: ``race.json`` in its run folder.

Results are in records. This file holds the decisions, since some depend on the clock: a race that was
killed, or that several processes share, continues from them to the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

StageName = Literal["screen", "audit", "widen", "finals"]


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Arm:
    """A method with the hyperparameters of one candidate."""

    method: str
    """The method as written in the study."""

    number: int = 0
    """The candidate; 0 has the method's defaults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrant:
    """A method of the study, and whether it races."""

    method: str
    """The method as written in the study."""

    candidates: int = 0
    """Number of candidates that it has, its default included; 0 if it does not race."""

    over: tuple[int, ...] = ()
    """Candidates that do not race, because they are over a limit."""

    out: Literal["refused", "over a limit", "trains nothing"] | None = None
    """Why it cannot be chosen; None if it can.

    The baseline has candidates and races even if it is over a limit, since gaps are measured from it.
    """

    reason: str | None = None
    """The same in words, such as ``trainable 100 % is over 5 %``."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms that race, in order."""
        numbers = (number for number in range(self.candidates) if number not in self.over)
        return tuple(Arm(method=self.method, number=number) for number in numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What is run before the next decision."""

    name: StageName
    """``screen``: arms train until a rung. ``audit``: arms that were dropped train to the end anyway.
    ``widen``: more of them do, because the audit found good ones. ``finals``: arms are tested."""

    step: int
    """Optimiser steps after which these arms stop."""

    arms: tuple[Arm, ...]
    """The arms, in the order in which they start."""

    seeds: tuple[int, ...] = ()
    """In the finals, the seeds that each arm has after this stage."""

    cut: tuple[Arm, ...] = ()
    """Arms that did not finish, because the time for the stage was over."""

    why: str = ""
    """Why these arms, in a phrase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """All decisions of a race so far."""

    entrants: tuple[Entrant, ...]
    """The study's methods, in its order."""

    rungs: tuple[int, ...]
    """Optimiser steps after which arms are compared; the last is a whole training."""

    stages: tuple[Stage, ...] = ()
    """The stages so far, in order."""

    looks: tuple[int, ...] = (3, 5, 8)
    """Number of seeds at each look of the finals, decided before the first: their error is spent over
    all of these looks, also if the race ends earlier."""

    seconds: float = 0.0
    """Seconds that it took, the time between two runs of it left out; 0 if they are not known.

    They are kept in ``clock.json``, since they change all the time.
    """

    ended: Literal["proved", "only one", "all looks", "time", "examples", "nothing left"] | None = None
    """Why it ended; None while it continues."""


RACE: TypeAdapter[Race] = TypeAdapter(Race)
"""Reads and writes the file."""
