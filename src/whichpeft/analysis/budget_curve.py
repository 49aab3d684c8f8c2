"""How much tuning is enough: the validation score to expect from a smaller search than was run.

The trials of a search beside the default are an even sample of the search space that does not
depend on results, so what other searches of any size would have found can be computed from them:
the expected maximum (Dodge et al. 2019, "Show Your Work", arXiv 1909.03004). Drawing with
replacement errs on the low side near the full number of trials, and ranks methods wrongly less often
than the unbiased estimate (Dodge et al. 2021, arXiv 2110.00613).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from whichpeft.analysis.search import Search

BAND = (0.25, 0.75)


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetPoint:
    """What a search of `budget` trials, the default among them, finds.

    expected: mean of the best validation score, a fraction; low, high: its quartiles, between which
    half of such searches end.
    """

    budget: int
    expected: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Overtaking:
    """From so many tuning trials on, `method` is expected to do better than `overtaken`."""

    budget: int
    method: str
    overtaken: str


Curve = tuple[BudgetPoint, ...]


def expected_best(scores: Sequence[float], draws: int) -> float:
    """Return the expected maximum of so many draws, with replacement, from some scores."""
    ordered = sorted(scores)
    total = len(ordered)
    return sum(
        score * ((place / total) ** draws - ((place - 1) / total) ** draws)
        for place, score in enumerate(ordered, start=1)
    )


def best_quantile(scores: Sequence[float], draws: int, share: float) -> float:
    """Return what the maximum of so many draws stays at or below in a share of all cases."""
    ordered = sorted(scores)
    total = len(ordered)
    return next(
        score
        for place, score in enumerate(ordered, start=1)
        # A power that should be the share itself may come out a rounding error below it.
        if place == total or (place / total) ** draws >= share - 1e-12
    )


def curve_of(search: Search) -> Curve:
    """Return what to expect of a search of 1, 2, ... trials, up to as many as were run.

    The first trial is the default, as in every search; the others are drawn from the sample of the
    search space. A stopped trial counts with the score it had reached, so the curve is a lower
    bound; a failed one adds nothing. Without a score of the default the curve begins at 2, and
    what failed counts as the lowest score; without any score it is empty.
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
    """Return what to expect after the default of 1, 2, ... draws from a sample's scores."""
    points = []
    for draws in range(1, len(pool) + 1):
        low, high = (best_quantile(pool, draws, share) for share in BAND)
        points.append(
            BudgetPoint(budget=draws + 1, expected=expected_best(pool, draws), low=low, high=high)
        )
    return tuple(points)


def overtakings(curves: Mapping[str, Curve]) -> list[Overtaking]:
    """Return where two methods change order as the budget grows, by budget."""
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
    """Return which method is expected to be the best, and from which budget on."""
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
