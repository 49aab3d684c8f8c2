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
    lost = [arm for arm in found if failed(scores[arm, step])]
    return rank_scored(found, step, scores) + lost


def rank_scored(arms: Iterable[Arm], step: int, scores: RungScores) -> list[Arm]:
    """Return the arms that have a score after `step` steps, best first."""
    found = [arm for arm in dict.fromkeys(arms) if has_score(arm, step, scores)]
    shown = [scores[arm, step] for arm in found]
    places = _ranks([-(own.score or 0.0) for own in shown])
    losses = [own.loss for own in shown if own.loss is not None]
    if len(losses) == len(shown):
        places = places + _ranks([loss if math.isfinite(loss) else math.inf for loss in losses])
    return [found[i] for i in np.argsort(places, kind="stable")]


def has_score(arm: Arm, step: int, scores: RungScores) -> bool:
    """Return whether an arm has a score after `step` steps, so that it did not fail there."""
    shown = scores.get((arm, step))
    return shown is not None and not failed(shown)


def failed(shown: RungScore) -> bool:
    """Return whether an arm has no score, because it failed or its score is not finite."""
    return shown.score is None or not math.isfinite(shown.score)


def _ranks(values: Sequence[float]) -> Floats:
    from scipy.stats import rankdata

    found: Floats = rankdata(values)
    return found
