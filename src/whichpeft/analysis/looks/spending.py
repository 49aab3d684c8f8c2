"""The level of each look at growing records, so that all looks together err as often as one would.

After a share t of the seeds, ``5 % * t**1.75`` may be spent (Lan and DeMets 1983, *Biometrika* 70; the
power family is that of Kim and DeMets 1987, *Biometrika* 74). If the looks were independent, each could
be tested at what it adds. They are not: a later look contains the seeds of the earlier ones and the same
test examples, so most errors of a look were made at an earlier one too. The level of a look is the one
at which the errors that are new add up to what it may spend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.random_effects import VarianceComponents
from whichpeft.analysis.statistics.step_down import as_p_values
from whichpeft.metrics.metric import Floats

DRAWS = 20_000

_POWER = 1.75
"""Of the share of the seeds. With Pocock's function, early looks take what the last one needs to find
nearly as much as a fixed design; with a power of 3, they hardly decide anything."""


def spending(looks: Sequence[int], level: float = LEVEL, *, power: float = _POWER) -> list[float]:
    """Return what each look adds to the error that is spent until then.

    Parameters
    ----------
    looks
        Number of seeds at each look.
    level
        The error that all looks may make.
    power
        Of the share of the seeds.
    """
    spent = [level * (seeds / looks[-1]) ** power for seeds in looks]
    return [now - before for now, before in zip(spent, [0.0, *spent], strict=False)]


def look_level(
    gaps: Sequence[VarianceComponents],
    looks: Sequence[int],
    earlier: Sequence[float],
    spend: float,
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> float:
    """Return the level at which a family may be tested at the last of some looks.

    Parameters
    ----------
    gaps
        The gaps that are tested, as estimated now.
    looks
        Number of seeds at each look until now.
    earlier
        Levels of the earlier looks.
    spend
        Probability with which this look may err if no earlier one did.
    rng
        Draws the errors of the looks.
    draws
        Number of draws.
    """
    if not gaps or not earlier:
        return spend
    lowest = np.ones((len(looks), draws))
    for gap in gaps:
        lowest = np.minimum(lowest, as_p_values(_errors(gap, looks, draws, rng).T).T)
    silent = np.ones(draws, dtype=bool)
    for found, level in zip(lowest, earlier, strict=False):
        silent &= found > np.quantile(found, level)
    return _level_of_new_errors(lowest[-1], silent, spend)


def equivalence_level(
    gap: VarianceComponents,
    looks: Sequence[int],
    spends: Sequence[float],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> float:
    """Return the level at which one gap may be tested for equivalence at the last of some looks.

    Each of the two tests is one-sided, and a gap at the edge of the margin passes the other one.

    Parameters
    ----------
    gap
        The gap, as estimated now.
    looks
        Number of seeds at each look until now.
    spends
        Probability with which each of these looks may err if no earlier one did.
    rng
        Draws the errors of the looks.
    draws
        Number of draws.
    """
    level = spends[0]
    order = np.argsort(-_errors(gap, looks, draws, rng), axis=1)
    p_values = np.empty(order.shape)
    np.put_along_axis(p_values, order, (np.arange(draws)[None] + 0.5) / draws, axis=1)
    silent = np.ones(draws, dtype=bool)
    for before, now, spend in zip(p_values[:-1], p_values[1:], spends[1:], strict=True):
        silent &= before > level
        level = _level_of_new_errors(now, silent, spend)
    return level


def _level_of_new_errors(p_values: Floats, silent: NDArray[np.bool_], spend: float) -> float:
    """Return the level at which `spend` of the draws err among those that did not before."""
    new = np.sort(p_values[silent])
    place = int(spend * len(p_values))
    if place >= len(new):
        return LEVEL
    return min(LEVEL, max(spend, float(np.mean(p_values <= new[place]))))


def _errors(
    gap: VarianceComponents, looks: Sequence[int], draws: int, rng: np.random.Generator
) -> Floats:
    """Draw the error of a gap at each look in units of its estimated size, shape (looks, draws).

    The variance by seeds is estimated at each look, from its seeds and from what other methods show.
    """
    one_seed = gap.seed_part * gap.seeds
    borrowed = max(0.0, gap.degrees[0] - (gap.seeds - 1))
    borrowed = borrowed if borrowed >= 1 else 0.0  # less says nothing, and has no finite draws
    true = np.full(draws, one_seed)
    if borrowed:
        true = one_seed * borrowed / rng.chisquare(borrowed, draws)
    by_seed = rng.standard_normal((draws, looks[-1])).T.copy()
    examples = math.sqrt(gap.example_part) * rng.standard_normal(draws)
    found = np.empty((len(looks), draws))
    # Each look adds its new seeds to the sums of the earlier ones.
    total, squares = np.zeros(draws), np.zeros(draws)
    for place, (before, seeds) in enumerate(pairwise((0, *looks))):
        for values in by_seed[before:seeds]:
            total += values
            squares += values**2
        apart = true * np.maximum(squares - total**2 / seeds, 0.0)
        estimate = (borrowed * one_seed + apart) / (borrowed + seeds - 1)
        error = np.sqrt(true) * (total / seeds) + examples
        found[place] = error / np.sqrt(estimate / seeds + gap.example_part + 1e-300)
    return found
