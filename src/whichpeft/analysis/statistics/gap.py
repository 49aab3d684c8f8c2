"""The gap between two methods, with a verdict for other seeds and other test examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.analysis.statistics.intervals import CONFIDENCE
from whichpeft.analysis.statistics.power import Needed, what_decides
from whichpeft.analysis.statistics.random_effects import VarianceComponents, random_effects
from whichpeft.errors import ScoresError, unknown
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.per_example import OF_CLASSES, PSEUDO_VALUES, as_pseudo_values

Verdict = Literal["equivalent", "better", "worse", "undecided"]
Metric = str | Callable[[Array, Array], float]

MARGIN = 0.02
"""Default gap, as a fraction, within which methods count as equivalent."""

LEVEL = 0.05
"""Level of the tests."""

GROUPS = 50
"""Number of groups of examples that are left out in turn for a metric given as a function."""


@dataclass(frozen=True)
class Gap:
    """How much better a candidate scores than a baseline, and how certain that is."""

    mean: float
    """Mean difference of the scores, in their unit."""

    low: float | None
    """Lower bound of the 95 % interval; None if the error cannot be estimated."""

    high: float | None
    """Upper bound of the 95 % interval; None if the error cannot be estimated."""

    p_value: float | None
    """Two-sided p-value of no gap; None if the variation between seeds cannot be estimated."""

    verdict: Verdict
    """The verdict that `judge` gives."""

    proved_margin: float | None
    """Smallest margin at which the methods are proved equivalent; None without an error estimate."""

    margin: float
    """The margin that the verdict was given for."""

    effects: VarianceComponents
    """The variance components that everything else is computed from."""

    examples: int | None
    """Number of test examples; None if only one score per seed was known."""

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean over seeds and examples."""
        return self.effects.standard_error

    @property
    def degrees_of_freedom(self) -> float:
        """Return Satterthwaite's degrees of freedom of the squared standard error."""
        return self.effects.degrees_of_freedom

    @cached_property
    def needed(self) -> Needed | None:
        """Return the data that would decide; None if the verdict is not undecided."""
        if self.verdict != "undecided":
            return None
        return what_decides(self.effects, margin=self.margin, examples=self.examples)


def paired_gap(
    candidate: ArrayLike,
    baseline: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    metric: Metric | None = None,
    margin: float = MARGIN,
    rng: np.random.Generator,
) -> Gap:
    """Compare two methods run with the same seeds on the same test examples.

    Differences are modelled with crossed random effects of seeds and examples. With one seed the
    interval is over examples alone and the verdict is always undecided.

    Parameters
    ----------
    candidate, baseline
        Shape (seeds, examples), one row per seed in the same order. Scores of each example or, with
        `labels` and `metric`, predictions: classes, or values for regression.
    labels
        Shape (examples,).
    metric
        ``accuracy``, ``f1`` (of class 1), ``macro_f1``, ``matthews``, ``pearson``, ``spearman``,
        ``neg_rmse``, or a function of labels and one seed's predictions for which higher is better. A
        metric that is not a mean over examples is split into jackknife pseudo-values (see
        `per_example`), leaving out one example at a time, or for a function one of 50 groups.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    rng
        Draws the groups of examples for a metric given as a function; otherwise unused.

    Returns
    -------
    Gap
        The candidate's score minus the baseline's.

    Raises
    ------
    ScoresError
        A ValueError, if arrays are empty, ragged, not finite or differ in shape.
    """
    ours, theirs = _matrix(candidate, "candidate"), _matrix(baseline, "baseline")
    if ours.shape != theirs.shape:
        raise ScoresError(
            f"candidate has shape {ours.shape}, baseline {theirs.shape}; "
            "both need the same seeds and the same examples"
        )
    if not margin >= 0 or math.isinf(margin):
        raise ScoresError(f"margin is {margin}; it has to be a finite number of 0 or more")
    examples = ours.shape[1]
    if (labels is None) != (metric is None):
        raise ScoresError("labels and metric go together; give both for predictions, neither for scores")
    if labels is None or metric is None:
        differences = _numbers(ours, "candidate") - _numbers(theirs, "baseline")
    else:
        values = _pseudo_values(metric, _labels(labels, examples), examples, rng)
        differences = np.stack(
            [
                values(own, "candidate") - values(other, "baseline")
                for own, other in zip(ours, theirs, strict=True)
            ]
        )
    return gap_of(random_effects(differences), margin=margin, examples=examples)


def gap_of(effects: VarianceComponents, *, margin: float = MARGIN, examples: int | None = None) -> Gap:
    """Return the gap with a verdict from the variance components of differences.

    Parameters
    ----------
    effects
        Variance components of the candidate's scores minus the baseline's.
    margin
        The gap within which methods count as equivalent, in the unit of the scores.
    examples
        Number of test examples if `effects` comes from groups of them.
    """
    _, low, high = effects.interval(CONFIDENCE)
    p_value = effects.p_value if effects.has_error_estimate else None
    proved = _proved(effects) if effects.has_error_estimate else None
    return Gap(
        mean=effects.mean,
        low=low,
        high=high,
        p_value=p_value,
        verdict=judge(effects.mean, p_value, proved, margin=margin),
        proved_margin=proved,
        margin=margin,
        effects=effects,
        examples=examples or effects.examples,
    )


def judge(
    mean: float, p_value: float | None, proved_margin: float | None, *, margin: float = MARGIN
) -> Verdict:
    """Return the verdict on a gap, the first of these that applies.

    ``equivalent`` if two one-sided tests at 5 % show that the gap is within the margin (Schuirmann
    1987), ``better`` or ``worse`` if the p-value is below 0.05, otherwise ``undecided``.
    """
    if proved_margin is not None and proved_margin <= margin:
        return "equivalent"
    if p_value is not None and p_value < LEVEL:
        return "better" if mean > 0 else "worse"
    return "undecided"


def _proved(effects: VarianceComponents) -> float:
    """Return the largest distance from zero in the 90 % interval."""
    _, low, high = effects.interval(1 - 2 * LEVEL)
    assert low is not None
    assert high is not None
    return max(abs(low), abs(high))


def _pseudo_values(
    metric: Metric, labels: Array, examples: int, rng: np.random.Generator
) -> Callable[[Array, str], Floats]:
    """Return a function from one seed's predictions to values, shape (examples,) or (groups,)."""
    if callable(metric):
        groups = np.array_split(rng.permutation(examples), min(GROUPS, examples))
        kept = [np.delete(np.arange(examples), group) for group in groups]
        return lambda row, whose: _by_groups(metric, labels, row, kept, whose)
    if metric not in PSEUDO_VALUES:
        fix = f"choose {', '.join(PSEUDO_VALUES)} or a function of labels and predictions"
        raise ScoresError(unknown("metric", metric, PSEUDO_VALUES, fix=fix))
    known = PSEUDO_VALUES[metric]
    if metric in OF_CLASSES:
        return lambda row, whose: known(labels, row)
    values = _numbers(labels, "labels")
    return lambda row, whose: known(values, _numbers(row, whose))


def _by_groups(
    metric: Callable[[Array, Array], float],
    labels: Array,
    row: Array,
    kept: list[Array],
    whose: str,
) -> Floats:
    """Return one pseudo-value per group left out; `kept` has the examples that remain."""
    whole = float(metric(labels, row))
    without = np.array([float(metric(labels[rest], row[rest])) for rest in kept])
    if not math.isfinite(whole) or not np.isfinite(without).all():
        raise ScoresError(f"the metric of {whose} is not finite, on all examples or on some of them")
    return as_pseudo_values(whole, without)


def _matrix(values: ArrayLike, whose: str) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ScoresError(f"{whose} is ragged: every seed needs the same number of examples") from None
    if array.ndim != 2:
        raise ScoresError(f"{whose} has shape {array.shape}; it has to be (seeds, examples)")
    if array.size == 0:
        raise ScoresError(f"{whose} is empty: its shape is {array.shape}")
    if array.shape[1] < 2:
        raise ScoresError(f"{whose} has one example; it needs two or more")
    _check_known(array, whose)
    return array


def _labels(values: ArrayLike, examples: int) -> Array:
    array = np.asarray(values)
    if array.shape != (examples,):
        raise ScoresError(
            f"labels have shape {array.shape}; for {examples} examples it has to be ({examples},)"
        )
    _check_known(array, "labels")
    return array


def _check_known(array: Array, whose: str) -> None:
    if array.dtype.kind == "f" and not (fine := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~fine)[0])
        where = f"seed {place[0]}, example {place[1]}" if len(place) == 2 else f"example {place[0]}"
        raise ScoresError(
            f"{whose}: {array[place]} at {where} (counted from 0); every value has to be finite"
        )


def _numbers(array: Array, whose: str) -> Floats:
    if array.dtype.kind not in "fiub":
        raise ScoresError(f"{whose} has type {array.dtype}; it has to hold numbers")
    return array.astype(np.float64)
