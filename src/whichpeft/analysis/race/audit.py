"""Whether the screen dropped good methods: some of them are trained to the end anyway.

A rung says little about a method that is still at chance there. So most of those are audited, and few of
the others. What the audit finds is weighted by how likely each method was to be in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whichpeft.analysis.race.at_chance import methods_at_chance
from whichpeft.analysis.race.finalists import arms_of, best_arms, finalist_places
from whichpeft.analysis.race.ranking import rank_scored
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records.race import Arm, Race

WIDENED = 8
"""Most arms that are trained to the end because the audit found a good one."""

_OF_STUCK = 7 / 8  # share of the methods at chance that is audited, so that a slow starter is found
_OF_REST = 2  # of the others, at least as many, so that the rung's worth is known
_MOST = 2 / 5  # of all methods, if there are many at chance
_RISEN = 3 / 4  # of the best lead at the end; a method at chance that reaches it may have better arms


@dataclass(frozen=True, slots=True)
class Dropped:
    """A method none of whose arms continued to the end."""

    arm: Arm
    """The arm that stands for it in the audit."""

    step: int
    """The steps of the last rung that it reached."""

    stuck: bool
    """Whether it was still at chance there."""

    probability: float = 0.0
    """How likely it was to be audited."""


def dropped_methods(race: Race, scores: RungScores, rules: RaceRules) -> list[Dropped]:
    """Return the methods that the screen dropped, in the order of the study."""
    screens = [stage for stage in race.stages if stage.name == "screen"]
    done = {arm.method for stage in screens if stage.step == race.rungs[-1] for arm in stage.arms}
    found: dict[str, Dropped] = {}
    for stage in reversed(screens):
        stuck = methods_at_chance(stage.arms, stage.step, scores, rules.chance)
        for arm in rank_scored(stage.arms, stage.step, scores):
            if arm.method not in done and arm.method not in found:
                # Ranks of arms at chance are noise, so the default stands for them.
                own = stuck.get(arm.method)
                found[arm.method] = Dropped(own[0] if own else arm, stage.step, own is not None)
        done |= set(found)
    entered = sum(bool(entrant.candidates) for entrant in race.entrants)
    in_order = [found[entrant.method] for entrant in race.entrants if entrant.method in found]
    return _with_probabilities(in_order, rules.audited, entered)


def audited_arms(race: Race, scores: RungScores, rules: RaceRules) -> tuple[Arm, ...]:
    """Return the arms that are trained to the end although their methods were dropped.

    Those at chance come first, so that a race that is cut off has audited them.
    """
    dropped = dropped_methods(race, scores, rules)
    rng = np.random.default_rng(rules.seed)
    arms: list[Arm] = []
    for stuck in (True, False):
        own = [one for one in dropped if one.stuck is stuck]
        places = round(sum(one.probability for one in own))
        arms += [own[i].arm for i in rng.permutation(len(own))[:places]]
    return tuple(arms)


def found_good(race: Race, scores: RungScores, rules: RaceRules) -> list[str]:
    """Return the audited methods that are among the finalists, best first."""
    audited = {arm.method for stage in race.stages if stage.name == "audit" for arm in stage.arms}
    best = best_arms(arms_of(race), race.rungs[-1], scores)
    return [arm.method for arm in best[: finalist_places(race, rules)] if arm.method in audited]


def risen(race: Race, scores: RungScores, rules: RaceRules) -> list[str]:
    """Return the audited methods that were at chance and are not any more, best first.

    Of such a method only the default was trained to the end, and another of its arms may be far better.
    """
    end = race.rungs[-1]
    stuck = {one.arm.method for one in dropped_methods(race, scores, rules) if one.stuck}
    best = best_arms(arms_of(race), end, scores)
    if not best or rules.chance is None:
        return []
    leads = {arm.method: (scores[arm, end].score or 0.0) - rules.chance for arm in best}
    enough = _RISEN * max(leads.values())
    return [method for method, lead in leads.items() if method in stuck and lead >= enough > 0]


def widened_arms(race: Race, scores: RungScores, rules: RaceRules) -> tuple[Arm, ...]:
    """Return the arms that are trained to the end because of what the audit found.

    These are the other arms of the methods that did well or are no longer at chance. If a method did
    well, others of its kind follow: those that were at chance if it was, else the next by rank.
    """
    good, end = found_good(race, scores, rules), race.rungs[-1]
    first = dict.fromkeys((*good, *risen(race, scores, rules)))
    screened = next(stage for stage in race.stages if stage.name == "screen")
    waiting = [
        arm for arm in rank_scored(screened.arms, screened.step, scores) if (arm, end) not in scores
    ]
    own = [arm for method in first for arm in waiting if arm.method == method]
    if not good:
        return tuple(own[:WIDENED])
    kind = {one.arm.method: one.stuck for one in dropped_methods(race, scores, rules)}
    alike: dict[str, Arm] = {}
    for arm in waiting:
        if arm.method not in first and kind.get(arm.method) in {kind[method] for method in good}:
            alike.setdefault(arm.method, arm)
    rest = [arm for arm in waiting if arm not in own and arm not in alike.values()]
    return tuple((*own, *alike.values(), *rest)[:WIDENED])


def _with_probabilities(dropped: Sequence[Dropped], audited: int, entered: int) -> list[Dropped]:
    """Return the dropped methods with how likely each is to be audited."""
    count = {kind: sum(one.stuck is kind for one in dropped) for kind in (True, False)}
    wanted = math.ceil(_OF_STUCK * count[True]) + _OF_REST
    places = min(max(audited, min(wanted, math.ceil(_MOST * entered))), len(dropped))
    rest = min(max(_OF_REST, places - count[True]), count[False], places)
    taken = {True: min(places - rest, count[True]), False: rest}
    return [
        Dropped(one.arm, one.step, one.stuck, taken[one.stuck] / count[one.stuck]) for one in dropped
    ]
