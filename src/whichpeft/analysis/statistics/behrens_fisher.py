"""The sum of two errors whose variances are estimated from few and from many values.

The mean over seeds and test examples has an error from the seeds, whose variance is estimated from a
handful of values, and one from the examples, which number in the hundreds. This is the problem of
Behrens (1929) and Fisher (1935). The error is modelled as ``sqrt(A) * t1 + sqrt(B) * t2``, where t1
has S - 1 degrees of freedom and t2, given the first, has E - 1; A and B are the estimated variances
of the mean.

The solution of Welch and Satterthwaite is a single t distribution whose degrees of freedom are
computed from A and B. It is narrower, but if A happens to be estimated small it also treats A as well
known. If seeds vary as much as examples or more, it calls one of 8 equal methods different, with
Holm's correction, in 14 to 18 % of studies with 3 seeds and in 7 to 9 % with 5, and its 95 %
intervals cover 92 % with 3 seeds. The form used here keeps every level it claims and is exact if one
of the two variances is zero; otherwise it is wider, by about a tenth with 5 seeds and a third with 3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from whichpeft.metrics.metric import Floats

_NODES = 64
_STEPS = 50
_TOLERANCE = 1e-8


def two_sided(distance: float, *, seeds: float, examples: float, df: tuple[int, int]) -> float:
    """Return the probability of an error at least this large, on either side.

    Parameters
    ----------
    distance
        The error, in the unit of the mean.
    seeds, examples
        The two estimated variances A and B of the mean, in its unit squared, not negative.
    df
        Their degrees of freedom, (S - 1, E - 1); that of a variance of zero is not used.
    """
    from scipy.special import stdtr

    distance = abs(distance)
    if not seeds or not examples:
        if not seeds + examples:
            return 1.0 if distance == 0 else 0.0
        alone = df[0] if seeds else df[1]
        return float(2 * stdtr(alone, -distance / math.sqrt(seeds + examples)))
    chi, weight = _chi(df[0])
    scale = chi / np.sqrt(seeds + examples * chi**2)
    return min(1.0, float(2 * stdtr(df[1], -distance * scale) @ weight))


def half_width(level: float, *, seeds: float, examples: float, df: tuple[int, int]) -> float:
    """Return the distance that an error exceeds, on either side, with probability `level`."""
    from scipy.special import stdtr

    distance = near_half_width(level, seeds=seeds, examples=examples, df=df)
    if not seeds or not examples:
        return distance
    chi, weight = _chi(df[0])
    scale = chi / np.sqrt(seeds + examples * chi**2)
    # The tail is convex in the distance, so Newton's steps from below never pass the solution.
    for _ in range(_STEPS):
        beyond = float(2 * stdtr(df[1], -distance * scale) @ weight)
        slope = float(2 * (_density(distance * scale, df[1]) * scale) @ weight)
        step = (beyond - level) / slope
        distance += step
        if abs(step) <= _TOLERANCE * distance:
            break
    return distance


def near_half_width(level: float, *, seeds: float, examples: float, df: tuple[int, int]) -> float:
    """Return `half_width` faster: exact if a variance is zero, otherwise mostly within 3 %."""
    from scipy.special import stdtrit

    alone = stdtrit(np.maximum(df, 1), level / 2)
    return math.sqrt(seeds * float(alone[0]) ** 2 + examples * float(alone[1]) ** 2)


def _density(values: Floats, df: int) -> Floats:
    """Return the density of Student's t distribution."""
    log = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    result: Floats = np.exp(log - (df + 1) / 2 * np.log1p(values**2 / df))
    return result


@lru_cache(maxsize=64)
def _chi(df: int) -> tuple[Floats, Floats]:
    """Return points and weights that integrate over ``sqrt(chi2 / df)``.

    The integral is over the root of the variance, because tails are not smooth at zero as functions
    of the variance itself.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    reach = 8 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - reach), 1 + reach
    # Far tails come from variances near zero, so the points are dense there.
    unit = (nodes + 1) / 2
    points = low + (high - low) * unit**3
    log = (df - 1) * np.log(points) - df * points**2 / 2
    density = weights * unit**2 * np.exp(log - log.max())
    return points, density / density.sum()
