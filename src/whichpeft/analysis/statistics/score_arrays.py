"""Arrays of scores or predictions as users give them, checked and turned into scores by example."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from whichpeft.errors import ScoresError, unknown
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.per_example import OF_CLASSES, PSEUDO_VALUES, as_pseudo_values

Metric = str | Callable[[Array, Array], float]

GROUPS = 50
"""Number of groups of examples that are left out in turn for a metric given as a function."""


def scores_by_example(
    arrays: dict[str, Array],
    labels: ArrayLike | None,
    metric: Metric | None,
    rng: np.random.Generator,
) -> list[Floats]:
    """Return the scores of each array by seed and example, shape (seeds, examples or groups).

    Parameters
    ----------
    arrays
        By name for messages, scores or predictions, shape (seeds, examples).
    labels, metric
        Both None for scores, else as for `paired_gap`.
    rng
        Draws the groups of examples for a metric given as a function.

    Raises
    ------
    ScoresError
        If labels do not fit, or values are not numbers or not finite.
    """
    if (labels is None) != (metric is None):
        raise ScoresError("labels and metric go together; give both for predictions, neither for scores")
    if labels is None or metric is None:
        return [_numbers(array, whose) for whose, array in arrays.items()]
    examples = next(iter(arrays.values())).shape[1]
    values = _pseudo_values(metric, _labels(labels, examples), examples, rng)
    return [np.stack([values(row, whose) for row in array]) for whose, array in arrays.items()]


def check_margin(margin: float) -> None:
    """Refuse a margin that is negative or not finite."""
    if not margin >= 0 or math.isinf(margin):
        raise ScoresError(f"margin is {margin}; it has to be a finite number of 0 or more")


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


def matrix(values: ArrayLike, whose: str) -> Array:
    """Return values as an array of shape (seeds, examples), with two finite examples or more."""
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
