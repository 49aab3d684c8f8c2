"""Metrics of classification and regression; higher is better, so errors are negated.

Every function takes labels of shape (n,) and outputs of shape (n, classes), or (n, 1) for
regression. The correlation of a constant is undefined and counts as 0, as does the Matthews
correlation of a single class.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.metric import Array, Metric


def accuracy(labels: Array, outputs: Array) -> float:
    """Return the share of examples whose highest output is their class."""
    return float(np.mean(predictions(outputs) == labels))


def macro_f1(labels: Array, outputs: Array) -> float:
    """Return the mean over the classes of the harmonic mean of precision and recall."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions(outputs), average="macro", zero_division=0))


def binary_f1(labels: Array, outputs: Array) -> float:
    """Return the harmonic mean of precision and recall of class 1, as GLUE scores MRPC and QQP."""
    from sklearn.metrics import f1_score

    found = predictions(outputs) == 1
    return float(f1_score(labels == 1, found, zero_division=0))


def matthews(labels: Array, outputs: Array) -> float:
    """Return the Matthews correlation, as GLUE scores CoLA (Warstadt et al. 2019, arXiv:1805.12471)."""
    from sklearn.metrics import matthews_corrcoef

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _defined(matthews_corrcoef(labels, predictions(outputs)))


def pearson(labels: Array, outputs: Array) -> float:
    """Return the linear correlation of outputs and labels."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, labels, outputs)


def spearman(labels: Array, outputs: Array) -> float:
    """Return the correlation of the ranks of outputs and labels."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, labels, outputs)


def neg_rmse(labels: Array, outputs: Array) -> float:
    """Return the negated root of the mean squared error, in the unit of the labels."""
    return -math.sqrt(float(np.mean((outputs[:, 0].astype(np.float64) - labels) ** 2)))


def predictions(outputs: Array) -> Array:
    """Return the class of the highest output, shape (n,); the first one if outputs are equal."""
    found: Array = np.argmax(outputs, axis=1)
    return found


class _Correlation(Protocol):
    """What scipy returns for a correlation."""

    statistic: float


def _correlation(function: Callable[..., _Correlation], labels: Array, outputs: Array) -> float:
    values = outputs[:, 0].astype(np.float64)
    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(labels) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _defined(function(labels.astype(np.float64), values).statistic)


def _defined(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


ACCURACY = Metric("accuracy", accuracy)
MACRO_F1 = Metric("macro_f1", macro_f1)
F1 = Metric("f1", binary_f1)
MATTHEWS = Metric("matthews", matthews)
PEARSON = Metric("pearson", pearson)
SPEARMAN = Metric("spearman", spearman)
NEG_RMSE = Metric("neg_rmse", neg_rmse)

# The metrics of a task that names none of its own; the first is the score.
CUSTOMARY = {
    "classification": (ACCURACY, MACRO_F1),
    "regression": (PEARSON, SPEARMAN, NEG_RMSE),
}
_BY_PROBLEM = {
    "classification": (ACCURACY, MACRO_F1, MATTHEWS),
    "regression": CUSTOMARY["regression"],
}


def metrics_by(name: str, problem: str, classes: int) -> tuple[Metric, ...]:
    """Return the named metric as the score, followed by the problem's customary metrics.

    Parameters
    ----------
    name
        Name of the metric.
    problem
        ``classification`` or ``regression``.
    classes
        Number of classes, 0 for regression.

    Raises
    ------
    DataError
        If the metric does not fit the problem; F1 needs two classes.
    """
    known = (*_BY_PROBLEM[problem], *((F1,) if classes == 2 else ()))
    score = next((metric for metric in known if metric.name == name), None)
    if score is None:
        names = [metric.name for metric in known]
        what = f"classification with {classes} classes" if classes else problem
        fix = f"{what} is scored by {', '.join(names)}"
        raise DataError(unknown("metric", name, names, fix=fix))
    return (score, *(metric for metric in CUSTOMARY[problem] if metric is not score))
