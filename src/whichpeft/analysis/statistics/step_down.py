"""Correction of p-values for several tests whose errors are known together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whichpeft.analysis.statistics.holm import holm
from whichpeft.metrics.metric import Floats


def step_down(p_values: Sequence[float], by_draw: Floats) -> list[float]:
    """Adjust p-values for the number of tests, and for how their errors move together.

    This is the step-down maximum of Romano and Wolf (2005, *Econometrica* 73) and of Westfall and Young
    (1993), which for gaps to one baseline is Dunnett's test. Each error counts by its own p-value and
    not by its size, so that a gap of unknown error does not hide the others. If hypotheses with adjusted
    p-values below 0.05 are rejected, the probability of any false rejection is below 0.05.

    Parameters
    ----------
    p_values
        The p-values.
    by_draw
        The p-values of draws without a true difference, shape (draws, tests), from `as_p_values`.

    Returns
    -------
    list of float
        The adjusted p-values in the same order; none is above Holm's.
    """
    draws = len(by_draw)
    lowest = np.ones(draws)
    share = np.empty(len(p_values))
    for place in np.argsort(p_values)[::-1]:
        lowest = np.minimum(lowest, by_draw[:, place])
        share[place] = (np.sum(lowest <= p_values[place]) + 1) / (draws + 1)
    adjusted = list(p_values)
    largest = 0.0
    for place, bound in sorted(enumerate(holm(p_values)), key=lambda pair: p_values[pair[0]]):
        assert bound is not None
        # A larger p-value is never rejected before a smaller one, and no test gains by the others.
        largest = max(largest, p_values[place], min(float(share[place]), bound))
        adjusted[place] = largest
    return adjusted


def single_level(by_draw: Floats, level: float) -> float:
    """Return the level of each test at which any of them is wrong with probability `level`."""
    if by_draw.shape[1] == 0:
        return level
    found = float(np.quantile(by_draw.min(axis=1), level))
    return max(found, level / int(by_draw.shape[1]))


def as_p_values(errors: Floats) -> Floats:
    """Return for each draw the share of draws of the same test with an error at least as large.

    `errors` and the result have the shape (draws, tests).
    """
    draws, tests = errors.shape
    order = np.argsort(-np.abs(errors), axis=0)
    found = np.empty((draws, tests))
    steps = (np.arange(draws) + 0.5) / draws
    np.put_along_axis(found, order, np.broadcast_to(steps[:, None], (draws, tests)), axis=0)
    return found
