"""The finals of a race: who gets more seeds, and whether the choice is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.choice import choose
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.choice.proof import in_the_running
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.looks.judging import FUTILE
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.power import proved
from whichpeft.records.race import Arm, Race

Ended = Literal["proved", "only one", "all looks", "nothing left"]


@dataclass(frozen=True, kw_only=True)
class FinalsStep:
    """What follows a look."""

    arms: tuple[Arm, ...] = ()
    """The arms that get the seeds of the next look; empty if the finals are over."""

    seeds: tuple[int, ...] = ()
    """The seeds that these arms have after the next look; empty if the finals are over."""

    ended: Ended | None = None
    """Why the finals are over; ``nothing left`` if more seeds would hardly prove anything.

    None if they continue, or if the last look is not complete.
    """

    answer: Answer
    """The choice after the last complete look."""

    @property
    def proved(self) -> bool:
        """Whether the choice is proved."""
        return self.answer.basis == "proved"

    @property
    def level(self) -> float:
        """The level of each test at the last complete look; 0 if none is complete."""
        return self.answer.level


def next_finals(
    comparison: Comparison, race: Race, rules: RaceRules, constraints: Constraints
) -> FinalsStep:
    """Return what follows the last complete look of the finals.

    The same records and decisions always give the same step.

    Parameters
    ----------
    comparison
        The finalists, as `compare_finalists` compares them.
    race
        The decisions so far; the last stage is a look of the finals.
    rules
        The rules of the race.
    constraints
        What the chosen method has to fit, with the margin of the choice.
    """
    answer = choose(comparison, constraints, rng=np.random.default_rng(0))
    finals = comparison.finals
    stages = [stage for stage in race.stages if stage.name == "finals"]
    if finals is None or len(finals.looks) < len(stages):
        return FinalsStep(answer=answer)
    continuing = still_in(answer)
    if answer.within_margin:
        ended: Ended = "proved" if answer.basis == "proved" else "nothing left"
        return FinalsStep(ended=ended, answer=answer)
    if len(continuing) < 2:
        return FinalsStep(ended="only one" if continuing else "nothing left", answer=answer)
    if not finals.left:
        return FinalsStep(ended="all looks", answer=answer)
    if not may_be_proved(answer, finals.left[-1]):
        return FinalsStep(ended="nothing left", answer=answer)
    arms = tuple(arm for arm in stages[-1].arms if arm.method in continuing)
    return FinalsStep(arms=arms, seeds=tuple(range(finals.left[0])), answer=answer)


def still_in(answer: Answer) -> set[str]:
    """Return the methods that may still be chosen, or that a choice has to be proved against."""
    places = {c.place: c.method for c in answer.competing if c.place is not None}
    if not isinstance(answer.evidence, TrialEvidence):
        return set()
    running = in_the_running(answer.evidence, list(places), answer.constraints.margin)
    return {places[place] for place in running}


def may_be_proved(answer: Answer, seeds: int) -> bool:
    """Return whether so many seeds may well prove any method, if the estimates until now are true."""
    evidence, margin = answer.evidence, answer.constraints.margin
    assert isinstance(evidence, TrialEvidence)
    competing = [c.place for c in answer.competing if c.place is not None]

    def chance(place: int) -> float:
        others = (evidence.effects(place, other) for other in competing if other != place)
        return min(proved(e, seeds, e.examples, margin=margin, level=LEVEL) for e in others)

    return any(chance(place) >= FUTILE for place in competing)
