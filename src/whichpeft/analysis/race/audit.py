"""Whether the screen dropped good methods: some of them are trained to the end anyway.

A rung foretells little of a method that is still at chance there. So those are audited more often than
the others, and what the audit finds is weighted by how likely each method was to be in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.race.finalists import arms_of, best_arms
from whichpeft.analysis.race.ranking import rank_arms
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records.race import Arm, Race

WIDENED = 8
"""Arms that are trained to the end if the audit finds a good one."""

_STUCK = 0.7  # share of the methods at chance that is audited
_NEAR = 0.02  # a score within this of the lowest one shows nothing


@dataclass(frozen=True, slots=True)
class Dropped:
    """A method none of whose arms continued to the end."""

    arm: Arm
    """Its best arm at the last rung that it reached."""

    step: int
    """The steps of that rung."""

    stuck: bool
    """Whether that arm was still at chance there."""

    probability: float
    """How likely it was to be audited."""


def dropped_methods(race: Race, scores: RungScores, rules: RaceRules) -> list[Dropped]:
    """Return the methods that the screen dropped, in the order of the study."""
    screened = [stage for stage in race.stages if stage.name == "screen"]
    ended = {arm.method for stage in screened if stage.step == race.rungs[-1] for arm in stage.arms}
    found: dict[str, tuple[Arm, int, bool]] = {}
    for stage in reversed(screened):
        best = rank_arms(stage.arms, stage.step, scores)
        known = [own for arm in best if (own := scores[arm, stage.step].score) is not None]
        for arm in best:
            score = scores[arm, stage.step].score
            if score is not None and arm.method not in ended and arm.method not in found:
                level = min(known) if rules.chance is None else rules.chance
                found[arm.method] = arm, stage.step, score <= level + _NEAR
    stuck = sum(at_chance for *_, at_chance in found.values())
    places = max(rules.audited, int(np.ceil(_STUCK * stuck)) + 2)
    of_stuck = min(stuck, max(int(np.ceil(_STUCK * stuck)), rules.audited - 2))
    of_rest = min(len(found) - stuck, places - of_stuck)
    return [
        Dropped(
            *found[entrant.method],
            probability=of_stuck / stuck
            if found[entrant.method][2]
            else of_rest / max(len(found) - stuck, 1),
        )
        for entrant in race.entrants
        if entrant.method in found
    ]


def audited_arms(race: Race, scores: RungScores, rules: RaceRules) -> tuple[tuple[Arm, ...], str]:
    """Return the arms that are trained to the end although they were dropped, and why these."""
    dropped = dropped_methods(race, scores, rules)
    rng = np.random.default_rng(rules.seed)
    arms: list[Arm] = []
    for stuck in (True, False):
        own = [one for one in dropped if one.stuck is stuck]
        if own:
            places = round(own[0].probability * len(own))
            arms += [own[i].arm for i in rng.permutation(len(own))[:places]]
    return tuple(arms), "drawn from the methods that were dropped, those at chance more often"


def widened_arms(race: Race, scores: RungScores, rules: RaceRules) -> tuple[tuple[Arm, ...], str]:
    """Return the arms that are trained to the end because the audit found a good one, and why."""
    end = race.rungs[-1]
    audited = {arm.method for stage in race.stages if stage.name == "audit" for arm in stage.arms}
    best = best_arms(arms_of(race), end, scores)
    good = [arm.method for arm in best[: rules.finalists] if arm.method in audited]
    if not good:
        return (), ""
    screened = next(stage for stage in race.stages if stage.name == "screen")
    waiting = [
        arm
        for arm in rank_arms(screened.arms, screened.step, scores)
        if (arm, end) not in scores and scores[arm, screened.step].score is not None
    ]
    first = [arm for arm in waiting if arm.method in good]
    rest = [arm for arm in waiting if arm.method not in good]
    return tuple((first + rest)[:WIDENED]), f"the audit found {', '.join(good)} among the best"
