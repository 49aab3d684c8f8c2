"""Methods that are still at chance at a rung, so that it says nothing about them.

On SST-2, 16 of 64 steps ranked 28 arms at a correlation of 0.2 with the end: those that ended best were
at chance, some with a loss above that of guessing because of a high learning rate, and arms that never
learnt looked better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from whichpeft.analysis.race.ranking import rank_scored
from whichpeft.analysis.race.rung_scores import RungScore, RungScores
from whichpeft.records.race import Arm

_ENOUGH = 1 / 4
"""A method has left chance with this share of the best lead over it."""


def methods_at_chance(
    arms: Sequence[Arm], step: int, scores: RungScores, chance: float | None
) -> dict[str, list[Arm]]:
    """Return the methods that are at chance after `step` steps, with their arms there by number.

    Without a chance level there are none.
    """
    ranked = rank_scored(arms, step, scores)
    if chance is None or not ranked:
        return {}
    best = max(scores[arm, step].score or 0.0 for arm in ranked)
    found: dict[str, list[Arm]] = {}
    for method in dict.fromkeys(arm.method for arm in ranked):
        own = [arm for arm in ranked if arm.method == method]
        lead = _shown([scores[arm, step] for arm in own]) - chance
        if lead <= 0 or lead < _ENOUGH * (best - chance):
            found[method] = sorted(own)
    return found


def stand_ins(own: Sequence[Arm], step: int, scores: RungScores) -> list[Arm]:
    """Return the arms that continue for a method at chance: its default, and the one that moved most.

    Ranks of its arms are noise. A loss that left that of the other arms, even upwards, shows an arm that
    learns.
    """
    losses = {arm: loss for arm in own if (loss := scores[arm, step].loss) is not None}
    rest = [arm for arm in own[1:] if math.isfinite(losses.get(arm, math.inf))]
    if not rest:
        return list(own[:2])
    middle = sorted(losses.values())[len(losses) // 2]
    return [own[0], max(rest, key=lambda arm: abs(losses[arm] - middle))]


def _shown(own: Sequence[RungScore]) -> float:
    """Return the score of the arm that its loss shows to be the best.

    The best score of several arms at chance is above it by luck. `own` is in order of rank.
    """
    return min(own, key=lambda one: math.inf if one.loss is None else one.loss).score or 0.0
