"""A metric, and scores by several of them."""

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
    """How well outputs meet labels; higher is better (errors are negated).

    compute(labels, outputs): labels of shape (n,), outputs of shape (n, classes) for
    classification and (n, 1) for regression, in the labels' own units. Importable by name, since
    trials run in processes of their own.
    """

    name: str
    compute: Callable[[Array, Array], float]


def scores(
    metrics: tuple[Metric, ...], labels: Array, outputs: Array, groups: Array | None = None
) -> dict[str, float]:
    """Score outputs by every metric, the first being the task's score.

    groups: numbers of the sets that examples are from, over which a score is the mean.
    """
    if groups is None:
        return {metric.name: float(metric.compute(labels, outputs)) for metric in metrics}
    by_set = [scores(metrics, labels[groups == g], outputs[groups == g]) for g in np.unique(groups)]
    return {m.name: float(np.mean([found[m.name] for found in by_set])) for m in metrics}
