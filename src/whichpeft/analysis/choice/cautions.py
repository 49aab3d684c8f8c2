"""Signs that a training was too short to compare methods: scores still rise, or steps are few.

Both are rules of thumb for people, and decide nothing.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.learning_curves import SCORE
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.errors import RecordError
from whichpeft.records.record import finite

FEW_STEPS = 100
"""Fewer optimiser steps than this are few.

On three data sets, the order of methods by validation score after 63 and 76 steps correlates with that
at the end, after 126 and 114, at 0.85 and 0.92. After 16 to 38 steps of 60 to 114 it is 0.38 on average,
from -0.03 to 0.71; six of these seven orders are of the candidates that a race trained to the end.
"""

_LEAST_GAIN = 0.01
_LEAST_GAIN_OF_FEW_SEEDS = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Rise:
    """How much a method's validation score rose from the evaluation before the last to the last."""

    gain: float
    """The mean over seeds, a fraction."""

    steps: int
    """Optimiser steps between the two."""

    end: int
    """Optimiser steps of the training."""


def still_rising(comparison: Comparison, result: MethodResult) -> Rise | None:
    """Return how much a method was still improving when training ended; None if that is not shown.

    The last evaluation has to be the best one, with a gain of at least one point that is above zero by a
    one-sided t-test over the seeds at 5 %. With one or two seeds it has to be two points.
    """
    curves = [curve for curve in _curves(comparison, result) if len(curve) > 1]
    shared = sorted(set.intersection(*map(set, curves))) if curves else []
    if len(shared) < 2:
        return None
    means = [statistics.fmean(curve[step] for curve in curves) for step in shared]
    gains = [curve[shared[-1]] - curve[shared[-2]] for curve in curves]
    if means[-1] < max(means) or not _is_shown(gains):
        return None
    return Rise(gain=statistics.fmean(gains), steps=shared[-1] - shared[-2], end=shared[-1])


def _is_shown(gains: list[float]) -> bool:
    mean, count = statistics.fmean(gains), len(gains)
    if count < 3:
        return mean >= _LEAST_GAIN_OF_FEW_SEEDS
    # scipy.stats takes seconds to import; the quantile alone is a special function.
    from scipy.special import stdtrit

    error = statistics.stdev(gains) / math.sqrt(count)
    return mean >= _LEAST_GAIN and mean > float(stdtrit(count - 1, 1 - LEVEL)) * error


def steps_of(result: MethodResult) -> int | None:
    """Return the optimiser steps of a method's longest final trial; None if no record says so."""
    found = [finite(record.value("steps", "fit")) for record in result.records.completed]
    known = [steps for steps in found if steps]
    return round(max(known)) if known else None


def _curves(comparison: Comparison, result: MethodResult) -> list[dict[int, float]]:
    """Return the validation score by step of each final trial."""
    if comparison.curves is None:
        return []
    try:
        rows = [comparison.curves(r.trial.fingerprint) or () for r in result.records.completed]
    except RecordError:  # a damaged curve shows nothing
        return []
    return [
        {step: value for step, name, value in own if name == SCORE and math.isfinite(value)}
        for own in rows
    ]
