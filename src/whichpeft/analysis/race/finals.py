"""The finals of a race: who gets more seeds, and whether the choice is proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.choice import choose
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.choice.proof import in_the_running
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.records.race import Arm, Race


@dataclass(frozen=True, kw_only=True)
class FinalsStep:
    """What follows a look."""

    arms: tuple[Arm, ...] = ()
    """The arms that get the seeds of the next look; empty if the finals are over."""

    seeds: tuple[int, ...] = ()
    """The seeds that these arms have after the next look; empty if the finals are over."""

    proved: bool
    """Whether the choice is proved."""

    level: float
    """Level of each test at the last complete look; 0 if none is complete."""

    answer: Answer
    """The choice after the last complete look."""


def next_finals(
    comparison: Comparison, race: Race, rules: RaceRules, constraints: Constraints
) -> FinalsStep:
    """Return what follows the last complete look of the finals.

    The same records and decisions always give the same step.

    Parameters
    ----------
    comparison
        The methods of the race, compared with its decisions: ``comparisons(..., race=race)``.
    race
        The decisions so far; the last stage is a look of the finals.
    rules
        The rules of the race.
    constraints
        What the chosen method has to fit, with the margin of the choice.
    """
    answer = choose(comparison, constraints, rng=np.random.default_rng(0))
    finals = comparison.finals
    over = FinalsStep(proved=answer.basis == "proved", level=answer.level, answer=answer)
    if finals is None or not finals.looks or not finals.left or answer.within_margin:
        return over
    going = still_in(answer)
    looked = [stage for stage in race.stages if stage.name == "finals"][len(finals.looks) - 1]
    arms = tuple(arm for arm in looked.arms if arm.method in going)
    if len(arms) < 2:
        return over
    return FinalsStep(
        arms=arms,
        seeds=tuple(range(finals.left[0])),
        proved=False,
        level=answer.level,
        answer=answer,
    )


def still_in(answer: Answer) -> set[str]:
    """Return the methods that may still be chosen, or that a choice has to be proved against."""
    places = {c.place: c.method for c in answer.competing if c.place is not None}
    if not isinstance(answer.evidence, TrialEvidence):
        return set()
    running = in_the_running(answer.evidence, list(places), answer.constraints.margin)
    return {places[place] for place in running}
