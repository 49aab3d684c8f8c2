"""The answer to "which method?" under some constraints, with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import Evidence
from whichpeft.analysis.race.finals_so_far import FinalsSoFar
from whichpeft.analysis.statistics.gap import LEVEL

Basis = Literal["proved", "only one", "best bet", "at chance"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Which method to use for one backbone on one task, or over several tasks."""

    backbone: str
    """Short name of the backbone."""

    tasks: tuple[str, ...]
    """Short names of the tasks."""

    metric: str | None
    """Name of the metric, or ``mean score`` if the tasks have different ones; None if unknown."""

    constraints: Constraints
    """The conditions that the method was chosen under."""

    candidates: tuple[Candidate, ...]
    """Every method, in the order of the study."""

    baseline: str | None = None
    """The method that others are compared with, as written in the study; None if unknown."""

    chosen: Candidate | None = None
    """The method to use; None if no method is allowed."""

    basis: Basis | None = None
    """What the choice rests on; ``only one`` if no other method is allowed.

    ``at chance`` if nothing was chosen because no method is shown to beat chance.
    """

    chance: float | None = None
    """The score of the best constant prediction, a fraction, or its mean over tasks; None if unknown."""

    causes: tuple[str, ...] = ()
    """Sentences on what was probably wrong, if no method is shown to beat chance."""

    fixes: tuple[str, ...] = ()
    """What to do about the causes, one phrase each."""

    why_time: str | None = None
    """A sentence on why the chosen method takes its time; None if nothing explains it."""

    evidence: Evidence | None = None
    """What the choice was decided by; None if no score could be compared."""

    finals: FinalsSoFar | None = None
    """How far the finals are, if the methods raced."""

    level: float = LEVEL
    """Level of each test that a choice is proved by; 0 if nothing can be proved yet."""

    likely_score: float | None = None
    """In a race, the score that the chosen method is likely to have with other seeds, a fraction."""

    notes: tuple[str, ...] = ()
    """Sentences about records that were not compared."""

    @property
    def of_race(self) -> bool:
        """Whether the candidates are finalists of a race; then nothing is said about other methods."""
        return self.finals is not None

    @property
    def allowed(self) -> list[Candidate]:
        """Return the methods that may be chosen."""
        return [candidate for candidate in self.candidates if candidate.allowed]

    @property
    def competing(self) -> list[Candidate]:
        """Return the methods that a choice is proved against: the allowed ones and their rivals."""
        return [candidate for candidate in self.candidates if candidate.allowed or candidate.rival]

    @property
    def still_open(self) -> list[Candidate]:
        """Return the methods that may be the better choice once more is known about them."""
        return [candidate for candidate in self.candidates if candidate.still_open]

    @property
    def within_margin(self) -> bool:
        """Whether the chosen method is proved to be within the margin of the others that are allowed."""
        margin = None if self.chosen is None else self.chosen.proved_margin
        return margin is not None and margin <= self.constraints.margin
