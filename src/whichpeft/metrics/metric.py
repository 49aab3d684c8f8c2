"""Metrics, and scores by several of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and type."""

Floats = NDArray[np.float64]
"""An array of numbers in double precision, as scores are computed with."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How well outputs match labels; higher is better, so errors are negated."""

    name: str
    """Name of the metric."""

    compute: Callable[[Array, Array], float]
    """Computes the metric from labels and outputs.

    Labels have shape (n,); outputs have shape (n, classes) for classification and (n, 1) for
    regression, in the unit of the labels. It has to be importable by name, because trials run in
    processes of their own.
    """

    positive_class: str | None = None
    """The class that the metric is of, if it is of one class, as F1 of a rare class is."""

    positive_number: int | None = None
    """Number of that class."""


def scores(
    metrics: tuple[Metric, ...], labels: Array, outputs: Array, groups: Array | None = None
) -> dict[str, float]:
    """Score outputs by every metric; the first one is the score of the task.

    Parameters
    ----------
    metrics
        The metrics.
    labels
        Shape (examples,).
    outputs
        One row per example.
    groups
        Number of the set that each example is from. Scores are then means over the sets.

    Returns
    -------
    dict
        Scores by the name of the metric.
    """
    if groups is None:
        return {metric.name: float(metric.compute(labels, outputs)) for metric in metrics}
    by_set = [scores(metrics, labels[groups == g], outputs[groups == g]) for g in np.unique(groups)]
    return {m.name: float(np.mean([found[m.name] for found in by_set])) for m in metrics}
