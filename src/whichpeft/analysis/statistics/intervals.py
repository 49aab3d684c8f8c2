"""Means with their intervals over seeds, and ratios that are None rather than infinite."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

CONFIDENCE = 0.95
"""Confidence level of intervals."""


class Interval(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float | None
    """The mean; None if there is no value."""

    low: float | None
    """Lower bound; None if the error cannot be estimated."""

    high: float | None
    """Upper bound; None if the error cannot be estimated."""

    def within(self, lowest: float, highest: float) -> Interval:
        """Return the same interval without what the value cannot be."""
        if self.low is None or self.high is None:
            return self
        return Interval(self.mean, max(self.low, lowest), min(self.high, highest))


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean with its two-sided Student's t interval at `CONFIDENCE`.

    Parameters
    ----------
    values
        The values, in any one unit.

    Returns
    -------
    Interval
        The mean and its bounds in the same unit. All are None without a value; the bounds are None
        with one value.
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
    """Return Wilson's score interval at `CONFIDENCE` of the share ``count / total``, total positive."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + CONFIDENCE / 2))
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    spread = math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    half = z / (1 + z * z / total) * spread
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Divide; return None if either number is unknown, or the denominator is not positive.

    A share of zero, or of a negative score, does not show how much was kept.
    """
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return numerator / denominator


def saving(value: float | None, reference: float | None) -> float | None:
    """Return the share of `reference` that `value` saves, ``1 - value / reference``, or None."""
    share = ratio(value, reference)
    return None if share is None else 1 - share


def percent(share: float | None) -> float | None:
    """Convert a share to per cent; None stays None."""
    return None if share is None else 100 * share
