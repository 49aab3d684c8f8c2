"""Metrics of how well outputs rank examples: area under the ROC curve, average precision, ranks.

The first two need no threshold, so they suit classes of unequal frequency. Each has exact jackknife
pseudo-values (see `metrics.per_example`) in a sort and a few sums: leaving out an example changes the
number of pairs, or the ranks below it, in a known way. For the area under the curve they are the
placements of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44).

With more than two classes, a score is the mean over the classes in the labels, each against all others
(Hand and Till 2001 average over pairs instead). The area of a single class is 0.5, and average precision
without a positive example is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whichpeft.metrics.metric import Array, Floats

Rated = Callable[["Array", "Floats"], "Scores"]


@dataclass(frozen=True, slots=True)
class Scores:
    """A metric of all examples, and of all but each one."""

    whole: float
    """The metric of all examples."""

    without: Floats
    """The metric without each example, shape (n,)."""


def area_under_curve(positive: Array, scores: Floats) -> Scores:
    """Return how likely a positive example scores higher than a negative one; ties count half.

    Parameters
    ----------
    positive
        Whether each example is of the class, shape (n,).
    scores
        How strongly an output speaks for the class, shape (n,).
    """
    higher = float(np.sum(positive))
    lower = len(positive) - higher
    if not higher or not lower:
        return Scores(0.5, np.full(len(positive), 0.5))
    below = _share_below(scores[~positive], scores)  # of negatives
    above = higher * (1 - _share_below(scores[positive], scores))  # number of positives
    placed = np.where(positive, lower * below, above)
    pairs = float(placed[positive].sum())
    left = np.where(positive, (higher - 1) * lower, higher * (lower - 1))
    without = np.where(left > 0, (pairs - placed) / np.maximum(left, 1), 0.5)
    return Scores(pairs / (higher * lower), without)


def precision_by_rank(positive: Array, scores: Floats) -> Scores:
    """Return average precision: the mean, over positives, of the precision at their score.

    Examples of equal score are taken together, as scikit-learn does.

    Parameters
    ----------
    positive
        Whether each example is of the class, shape (n,).
    scores
        How strongly an output speaks for the class, shape (n,).
    """
    count = float(np.sum(positive))
    if not count:
        return Scores(0.0, np.zeros(len(positive)))
    _, ascending = np.unique(scores, return_inverse=True)
    group = ascending.max() - ascending  # 0 is the highest score
    hits = np.bincount(group, weights=positive)
    found, taken = np.cumsum(hits), np.cumsum(np.bincount(group))
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = hits * found / taken
        fewer = np.nan_to_num(hits * found / (taken - 1), posinf=0.0)
        one_less = np.nan_to_num(hits * (found - 1) / (taken - 1), posinf=0.0)
        own = np.nan_to_num((hits - 1) * (found - 1) / (taken - 1), posinf=0.0)
    before = np.cumsum(parts) - parts
    without_negative = (before + _from_here(fewer)) / count
    rest = before + own + _from_here(one_less) - one_less
    without_positive = rest / (count - 1) if count > 1 else np.zeros(len(rest))
    without = np.where(positive, without_positive[group], without_negative[group])
    return Scores(float(parts.sum() / count), without)


def over_classes(rate: Rated, labels: Array, outputs: Array, positive: int | None = None) -> Scores:
    """Return the mean of a metric over the classes in the labels, each against all others.

    Parameters
    ----------
    rate
        `area_under_curve` or `precision_by_rank`.
    labels
        Class numbers, shape (n,).
    outputs
        Shape (n, classes); a single column scores class 1.
    positive
        Number of the only class to rate; for two classes, class 1 unless given.
    """
    labels = np.asarray(labels)
    classes = outputs.shape[1]
    if positive is None and classes <= 2:
        positive = 1
    if positive is not None:
        return rate(labels == positive, _for_class(outputs, positive))
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < 2:
        return rate(labels == present[0], np.zeros(len(labels)))
    rated = [rate(labels == number, _for_class(outputs, int(number))) for number in present]
    # A class of a single example is no longer averaged over without it.
    stays = np.stack([~((labels == n) & (c == 1)) for n, c in zip(present, counts, strict=True)])
    without = np.stack([own.without for own in rated])
    left = (without * stays).sum(axis=0) / stays.sum(axis=0)
    return Scores(float(np.mean([own.whole for own in rated])), left)


def auroc(labels: Array, outputs: Array) -> float:
    """Return the area under the ROC curve."""
    return over_classes(area_under_curve, labels, outputs).whole


def auroc_of(number: int, labels: Array, outputs: Array) -> float:
    """Return the area under the ROC curve of one class against all others."""
    return over_classes(area_under_curve, labels, outputs, number).whole


def average_precision(labels: Array, outputs: Array) -> float:
    """Return the mean precision at the ranks of the positive examples."""
    return over_classes(precision_by_rank, labels, outputs).whole


def average_precision_of(number: int, labels: Array, outputs: Array) -> float:
    """Return the average precision of one class against all others."""
    return over_classes(precision_by_rank, labels, outputs, number).whole


def reciprocal_ranks(scores: Array) -> Floats:
    """Return one over the rank of the right candidate of each query.

    Parameters
    ----------
    scores
        Of each query and candidate, shape (n, n); candidate i is right for query i. Others of the same
        score count half.
    """
    right = np.diag(scores)[:, None]
    before = np.sum(scores > right, axis=1) + (np.sum(scores == right, axis=1) - 1) / 2
    found: Floats = 1 / (1 + before)
    return found


def mean_of_random_ranks(count: int) -> float:
    """Return the expected reciprocal rank among `count` candidates in random order."""
    return float(np.mean(1 / np.arange(1, count + 1)))


def _for_class(outputs: Array, number: int) -> Floats:
    """Return the log-odds of a class, which rank as its probability does but never saturate."""
    values = outputs.astype(np.float64)
    if values.shape[1] == 1:
        return values[:, 0] if number == 1 else -values[:, 0]
    others = np.delete(values, number, axis=1)
    odds: Floats = values[:, number] - np.logaddexp.reduce(others, axis=1)
    return np.round(odds, 9)  # equal outputs tie, in any order of their columns


def _share_below(values: Array, scores: Array) -> Floats:
    """Return the share of `values` below each score; equal ones count half."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, scores, side="left")
    high = np.searchsorted(ordered, scores, side="right")
    share: Floats = (low + high) / (2 * len(ordered))
    return share


def _from_here(values: Floats) -> Floats:
    """Return the sum of the values from each place to the end."""
    found: Floats = np.cumsum(values[::-1])[::-1]
    return found
