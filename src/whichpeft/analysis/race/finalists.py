"""Which methods are tested, each with its best arm."""

from __future__ import annotations

import math
from collections.abc import Iterable

from whichpeft.analysis.race.ranking import has_score, rank_scored
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records.race import Arm, Race

_FEWEST = 3  # finalists, if there are as many methods
_SHARE = 1 / 3  # of the methods; the finals of few methods would cost more than training them all


def finalists(race: Race, scores: RungScores, rules: RaceRules) -> list[Arm]:
    """Return the finalists, best first, with one arm per method and one of the baseline.

    Arms that were trained to the end come before others. If the time was over before, those that came
    furthest follow. The baseline is a finalist in any case.
    """
    places = finalist_places(race, rules)
    found: dict[str, Arm] = {}
    for step in reversed(race.rungs):
        for arm in best_arms(arms_of(race), step, scores):
            found.setdefault(arm.method, arm)
        if len(found) > places:
            break
    others = [method for method in found if method != rules.baseline][:places]
    return [arm for method, arm in found.items() if method in (*others, rules.baseline)]


def finalist_places(race: Race, rules: RaceRules) -> int:
    """Return how many methods are tested, the baseline not counted."""
    return places_for(sum(bool(entrant.candidates) for entrant in race.entrants), rules)


def places_for(methods: int, rules: RaceRules) -> int:
    """Return how many of so many methods are tested, the baseline not counted."""
    return min(rules.finalists, max(_FEWEST, math.ceil(_SHARE * methods)))


def best_arms(arms: Iterable[Arm], step: int, scores: RungScores) -> list[Arm]:
    """Return the arm of each method that `best_trial` would pick after some steps, best first."""
    done = [arm for arm in arms if has_score(arm, step, scores)]
    found: dict[str, Arm] = {}
    for arm in sorted(done, key=lambda arm: (-(scores[arm, step].score or 0.0), arm.number)):
        found.setdefault(arm.method, arm)
    return rank_scored(found.values(), step, scores)


def arms_of(race: Race) -> list[Arm]:
    """Return all arms of a race so far, in the order in which they started."""
    return list(dict.fromkeys(arm for stage in race.stages for arm in stage.arms))
