"""Metrics of classification and regression; higher is better, so errors are negated.

Every function takes labels of shape (n,) and outputs of shape (n, classes), or (n, 1) for
regression. The correlation of a constant is undefined and counts as 0, as does the Matthews
correlation of a single class.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.per_example import AUROC_OF, F1_OF, OF_ONE_CLASS, PRECISION_OF
from whichpeft.metrics.ranking import auroc, auroc_of, average_precision, average_precision_of
from whichpeft.units import join_words

_F1_ALONE = "f1"
_PRECISION_ALONE = "average_precision"
_MOST_NAMED = 8


def accuracy(labels: Array, outputs: Array) -> float:
    """Return the share of examples whose highest output is their class."""
    return float(np.mean(predictions(outputs) == labels))


def balanced_accuracy(labels: Array, outputs: Array) -> float:
    """Return the mean over the classes in `labels` of the share of their examples that are found."""
    found = predictions(outputs) == labels
    return float(np.mean([found[labels == number].mean() for number in np.unique(labels)]))


def macro_f1(labels: Array, outputs: Array) -> float:
    """Return the mean over the classes in `labels` of the harmonic mean of precision and recall.

    A class that only occurs in predictions is not averaged over, so that all methods are scored over the
    same classes; such a prediction is still an error of the class that it should have been.
    """
    from sklearn.metrics import f1_score

    found = predictions(outputs)
    return float(f1_score(labels, found, labels=np.unique(labels), average="macro", zero_division=0))


def binary_f1(labels: Array, outputs: Array) -> float:
    """Return the harmonic mean of precision and recall of class 1, as GLUE scores MRPC and QQP."""
    return f1_of_number(1, labels, outputs)


def f1_of_number(number: int, labels: Array, outputs: Array) -> float:
    """Return the harmonic mean of precision and recall of one class against all others."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels == number, predictions(outputs) == number, zero_division=0))


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
BALANCED_ACCURACY = Metric("balanced_accuracy", balanced_accuracy)
AUROC = Metric("auroc", auroc)
AVERAGE_PRECISION = Metric(_PRECISION_ALONE, average_precision)
F1 = Metric(_F1_ALONE, binary_f1)
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
    "classification": (
        ACCURACY, BALANCED_ACCURACY, MACRO_F1, MATTHEWS, AUROC, AVERAGE_PRECISION,
    ),
    "regression": CUSTOMARY["regression"],
}  # fmt: skip


def f1_of_class(number: int, name: str) -> Metric:
    """Return F1 of one class; the class stands in the metric's name: ``f1:fraud``."""
    return Metric(F1_OF + name, partial(f1_of_number, number), name, number)


def precision_of_class(number: int, name: str) -> Metric:
    """Return average precision of one class: ``average_precision:fraud``."""
    return Metric(PRECISION_OF + name, partial(average_precision_of, number), name, number)


def auroc_of_class(number: int, name: str) -> Metric:
    """Return the area under the ROC curve of one class against all others: ``auroc:fraud``."""
    return Metric(AUROC_OF + name, partial(auroc_of, number), name, number)


_ALONE = {_F1_ALONE: f1_of_class, _PRECISION_ALONE: precision_of_class}
_NAMED = {**_ALONE, "auroc": auroc_of_class}
"""Metrics of one class; without the name of a class, of two classes they mean the rarer one."""


def with_class_named(metric: Metric, classes: Sequence[str]) -> Metric:
    """Return F1 of class 1, as the data sets of GLUE give it, with the name of that class."""
    return f1_of_class(1, classes[1]) if metric is F1 and len(classes) > 1 else metric


def metrics_by(name: str, problem: str, classes: Mapping[str, int]) -> tuple[Metric, ...]:
    """Return the named metric as the score, followed by the problem's customary metrics.

    Parameters
    ----------
    name
        Name of the metric. ``f1:fraud`` is F1 of the class ``fraud``; ``f1`` alone, for two classes, is
        F1 of the rarer one. So it is with ``average_precision``, which for more classes is the mean.
    problem
        ``classification`` or ``regression``.
    classes
        Number of training examples of each class; empty for regression.

    Raises
    ------
    DataError
        If the metric does not fit the problem, or no class has that name.
    """
    score = _of_one_class(name, classes)
    if score is None:
        known = {metric.name: metric for metric in _BY_PROBLEM[problem]}
        names = [
            *known,
            *((_F1_ALONE,) if len(classes) == 2 else ()),
            *((f"{prefix}CLASS" for prefix in OF_ONE_CLASS) if classes else ()),
        ]
        if name not in known:
            what = f"classification with {len(classes)} classes" if classes else problem
            fix = f"{what} is scored by {', '.join(names)}"
            raise DataError(unknown("metric", name, names, fix=fix))
        score = known[name]
    return (score, *(metric for metric in CUSTOMARY[problem] if metric is not score))


def rarer_class(classes: Mapping[str, int]) -> str:
    """Return the rarer of two classes, and the second one if both are equally frequent."""
    first, second = classes
    return first if classes[first] < classes[second] else second


def _of_one_class(name: str, classes: Mapping[str, int]) -> Metric | None:
    """Return the metric that a name such as ``f1:fraud`` asks for; None for other metrics."""
    base, colon, asked = name.partition(":")
    if base not in _NAMED or not classes:
        return None
    if not colon:
        if base not in _ALONE or len(classes) != 2:
            return None
        asked = rarer_class(classes)
    asked = asked.strip()
    if asked not in classes:
        fix = f"the classes are {join_words(classes, most=_MOST_NAMED)}"
        raise DataError(f"metric {name!r}: {unknown('class', asked, classes, fix=fix)}")
    return _NAMED[base](list(classes).index(asked), asked)
