"""How much tuning is enough: the validation score to expect from a smaller search than was run.

Except for the default, the trials of a search are an even sample of the search space that does not
depend on results. So the expected result of a search of any size can be computed from them, as an
expected maximum (Dodge et al. 2019, "Show Your Work", arXiv 1909.03004). Drawing with replacement
gives slightly low values near the full number of trials, but ranks methods wrongly less often than
the unbiased estimate (Dodge et al. 2021, arXiv 2110.00613).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from whichpeft.analysis.search import Search

BAND = (0.25, 0.75)
"""The quantiles between which half of all searches end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetPoint:
    """The best validation score to expect from a search of a given size."""

    budget: int
    """Number of trials, the default included."""

    expected: float
    """Mean of the best validation score, a fraction."""

    low: float
    """First quartile of the best validation score, a fraction."""

    high: float
    """Third quartile of the best validation score, a fraction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overtaking:
    """A change in the expected order of two methods as the number of tuning trials grows."""

    budget: int
    """Number of trials from which `method` is expected to be better."""

    method: str
    """The method that is better from then on."""

    overtaken: str
    """The method that was better before."""


Curve = tuple[BudgetPoint, ...]


def expected_best(scores: Sequence[float], draws: int) -> float:
    """Return the expected maximum of `draws` draws with replacement from the scores."""
    ordered = sorted(scores)
    total = len(ordered)
    return sum(
        score * ((place / total) ** draws - ((place - 1) / total) ** draws)
        for place, score in enumerate(ordered, start=1)
    )


def best_quantile(scores: Sequence[float], draws: int, share: float) -> float:
    """Return the quantile of the maximum of `draws` draws with replacement from the scores."""
    ordered = sorted(scores)
    total = len(ordered)
    return next(
        score
        for place, score in enumerate(ordered, start=1)
        # A power that should equal the share may be a rounding error below it.
        if place == total or (place / total) ** draws >= share - 1e-12
    )


def curve_of(search: Search) -> Curve:
    """Return the best validation score to expect from searches of 1, 2, ... trials.

    The first trial is the default, as in every search; the others are drawn from the sample of the
    search space. A stopped trial counts with the score it had reached, so the curve is a lower
    bound; a failed trial adds nothing.

    Parameters
    ----------
    search
        A search that was run.

    Returns
    -------
    tuple of BudgetPoint
        One point per number of trials, up to the number that was run. Without a score of the
        default the curve begins at 2 trials, and failed trials count with the lowest score. Without
        any score it is empty.
    """
    floor = None if search.default is None else search.default.score
    known = [trial.score for trial in search.sample if trial.score is not None]
    points = []
    if floor is not None:
        points.append(BudgetPoint(budget=1, expected=floor, low=floor, high=floor))
    elif not known:
        return ()
    least = min(known) if floor is None else floor
    pool = tuple(max(least, least if trial.score is None else trial.score) for trial in search.sample)
    return (*points, *_drawn_from(pool))


@lru_cache(maxsize=1024)  # a page draws the same searches at several sizes
def _drawn_from(pool: tuple[float, ...]) -> Curve:
    """Return the expected best of the default and 1, 2, ... draws from a sample's scores."""
    points = []
    for draws in range(1, len(pool) + 1):
        low, high = (best_quantile(pool, draws, share) for share in BAND)
        points.append(
            BudgetPoint(budget=draws + 1, expected=expected_best(pool, draws), low=low, high=high)
        )
    return tuple(points)


def overtakings(curves: Mapping[str, Curve]) -> list[Overtaking]:
    """Return the changes in order between two methods as the budget grows, sorted by budget."""
    found = []
    for (one, curve), (other, second) in itertools.combinations(curves.items(), 2):
        theirs = {point.budget: point.expected for point in second}
        ahead: str | None = None
        for point in curve:
            gap = point.expected - theirs.get(point.budget, point.expected)
            if abs(gap) < 1e-12:
                continue
            now, behind = (one, other) if gap > 0 else (other, one)
            if ahead == behind:
                found.append(Overtaking(budget=point.budget, method=now, overtaken=behind))
            ahead = now
    return sorted(found, key=lambda change: change.budget)


def leaders(curves: Mapping[str, Curve]) -> list[tuple[int, str]]:
    """Return the methods that are expected to be the best, each with the budget it leads from."""
    found: list[tuple[int, str]] = []
    for budget in sorted({point.budget for curve in curves.values() for point in curve}):
        there = {
            method: point.expected
            for method, curve in curves.items()
            for point in curve
            if point.budget == budget
        }
        best = max(there, key=lambda method: there[method])
        if not found or found[-1][1] != best:
            found.append((budget, best))
    return found
