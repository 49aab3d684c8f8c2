"""The order of arms by what their validations show.

Score and log-loss are ranked separately, and an arm's place is the mean of both ranks. Early in training
many scores are still at chance while the loss already moves. Ranks need no common unit, and one arm
whose loss explodes does not change the places of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from whichpeft.analysis.race.rung_scores import RungScore, RungScores
from whichpeft.metrics.metric import Floats
from whichpeft.records.race import Arm


def rank_arms(arms: Iterable[Arm], step: int, scores: RungScores) -> list[Arm]:
    """Return the arms with a validation after `step` steps, best first and failed ones last.

    Among equal arms the one that is earlier in `arms` comes first.
    """
    found = [arm for arm in dict.fromkeys(arms) if (arm, step) in scores]
    places = rank_sums([scores[arm, step] for arm in found])
    return [found[i] for i in np.argsort(places, kind="stable")]


def rank_sums(shown: Sequence[RungScore]) -> Floats:
    """Return the mean of the ranks by score and by loss; low is good, and failed arms have infinity.

    If an arm that did not fail has no loss, only the scores count.
    """
    from scipy.stats import rankdata

    done = np.array([failed(own) is False for own in shown], bool)
    places = np.full(len(shown), math.inf)
    if not done.any():
        return places
    worked = [own for own in shown if not failed(own)]
    ranks = rankdata([-(own.score or 0.0) for own in worked])
    if all(own.loss is not None for own in worked):
        losses = [own.loss if math.isfinite(own.loss or 0.0) else math.inf for own in worked]
        ranks = (ranks + rankdata(losses)) / 2
    places[done] = ranks
    return places


def failed(shown: RungScore) -> bool:
    """Return whether an arm has no score, because it failed or its score is not finite."""
    return shown.score is None or not math.isfinite(shown.score)
