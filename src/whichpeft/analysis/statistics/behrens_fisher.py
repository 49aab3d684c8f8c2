"""The sum of two errors whose variances are estimated from few and from many values.

The mean over seeds and test examples errs by the seeds, whose variance a handful of values
estimates, and by the examples, of which there are hundreds. This is the problem of Behrens (1929)
and Fisher (1935). The error is taken as ``sqrt(A) * t1 + sqrt(B) * t2`` with t1 of S - 1 degrees
of freedom, and t2 of E - 1 given the first; A and B are the estimated variances of the mean.

Welch's and Satterthwaite's answer, one t distribution with degrees of freedom made from A and B, is
narrower, but where A happens to be estimated small it also takes A for well known. Where seeds vary as
much as examples do or more, it calls one of 8 equal methods different, Holm's correction applied, in
14 to 18 % of studies with 3 seeds and in 7 to 9 % with 5, and its 95 % intervals cover 92 % with 3. The
form here keeps every level it claims and is exact where one of the two variances is zero; elsewhere
it is wider, by about a tenth with 5 seeds and a third with 3.
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
    """Return how likely an error is at least this large, on either side.

    seeds, examples: the two estimated variances A and B of a mean, in its unit squared, not
    negative. df: their degrees of freedom, (S - 1, E - 1); that of a variance of zero is not used.
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
    # The tail is convex in the distance, so that Newton's steps never pass the solution from below.
    for _ in range(_STEPS):
        beyond = float(2 * stdtr(df[1], -distance * scale) @ weight)
        slope = float(2 * (_density(distance * scale, df[1]) * scale) @ weight)
        step = (beyond - level) / slope
        distance += step
        if abs(step) <= _TOLERANCE * distance:
            break
    return distance


def near_half_width(level: float, *, seeds: float, examples: float, df: tuple[int, int]) -> float:
    """Return `half_width`, exact where a variance is zero and else mostly within 3 %, but sooner."""
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

    By the root of the variance and not the variance itself, in which tails are not smooth at zero.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    reach = 8 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - reach), 1 + reach
    # Far tails come from variances near zero, so the points crowd there.
    unit = (nodes + 1) / 2
    points = low + (high - low) * unit**3
    log = (df - 1) * np.log(points) - df * points**2 / 2
    density = weights * unit**2 * np.exp(log - log.max())
    return points, density / density.sum()
