"""Means with their intervals over seeds, and ratios that are absent rather than infinite."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean, and the bounds between which it lies; absent where one value cannot tell."""

    mean: float | None
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean and its two-sided Student's t interval at `CONFIDENCE`.

    Values are in any one unit. No value gives no mean; one value gives a mean without bounds.
    """
    if not values:
        return Interval(None, None, None)
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    # scipy.stats takes seconds to import; the quantile alone is a special function.
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, 0.5 + CONFIDENCE / 2))
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share at `CONFIDENCE`: `count` of at least one in all."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + CONFIDENCE / 2))
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    spread = math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    half = z / (1 + z * z / total) * spread
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Divide; absent where either is unknown, where the denominator is zero or negative.

    A share of nothing, or of a negative score, says nothing about how much was kept.
    """
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return numerator / denominator


def saving(value: float | None, reference: float | None) -> float | None:
    """Return the share of `reference` that `value` saves, ``1 - value / reference``, or None."""
    share = ratio(value, reference)
    return None if share is None else 1 - share


def percent(share: float | None) -> float | None:
    """Turn a share into per cent; an unknown share stays unknown."""
    return None if share is None else 100 * share
