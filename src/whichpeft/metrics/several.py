"""Metrics of examples with several labels each: F1 over all labels, and means over the labels.

Labels have shape (n, labels) and are 0 or 1. Outputs are logits of the same shape; a label is predicted
if its logit is above 0. F1 of a label that neither occurs nor is predicted counts as 0, and the area
under the curve of a label that all examples have, or none, as 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from whichpeft.metrics.metric import Array, Floats, Metric
from whichpeft.metrics.ranking import Scores, area_under_curve


def micro_f1(labels: Array, outputs: Array) -> float:
    """Return the harmonic mean of precision and recall over all labels of all examples."""
    return float(_f1(_counts(labels, outputs).sum(axis=(0, 1))))


def label_f1(labels: Array, outputs: Array) -> float:
    """Return the mean over the labels of their F1, which is often called macro F1."""
    return float(_mean_f1(_counts(labels, outputs).sum(axis=0)))


def label_auroc(labels: Array, outputs: Array) -> float:
    """Return the mean over the labels of their area under the ROC curve."""
    return _areas(labels, outputs).whole


def micro_f1_by_example(labels: Array, outputs: Array) -> Scores:
    """Return `micro_f1` of all examples and without each one."""
    return _left_out(_counts(labels, outputs).sum(axis=1), _f1)


def label_f1_by_example(labels: Array, outputs: Array) -> Scores:
    """Return `label_f1` of all examples and without each one."""
    return _left_out(_counts(labels, outputs), _mean_f1)


def label_auroc_by_example(labels: Array, outputs: Array) -> Scores:
    """Return `label_auroc` of all examples and without each one."""
    return _areas(labels, outputs)


MICRO_F1 = Metric("micro_f1", micro_f1)
LABEL_F1 = Metric("label_f1", label_f1)
LABEL_AUROC = Metric("label_auroc", label_auroc)
METRICS = {metric.name: metric for metric in (MICRO_F1, LABEL_F1, LABEL_AUROC)}

BY_EXAMPLE: dict[str, Callable[[Array, Array], Scores]] = {
    "micro_f1": micro_f1_by_example,
    "label_f1": label_f1_by_example,
    "label_auroc": label_auroc_by_example,
}


def _counts(labels: Array, outputs: Array) -> Floats:
    """Return whether each label of each example is both true and predicted, and how often either."""
    true, found = np.asarray(labels) > 0, np.asarray(outputs) > 0
    counts: Floats = np.stack([true & found, true.astype(int) + found], axis=2).astype(np.float64)
    return counts


def _f1(counts: Floats) -> Floats:
    both, either = counts[..., 0], counts[..., 1]
    score: Floats = np.zeros(both.shape)
    np.divide(2 * both, either, out=score, where=either > 0)
    return score


def _mean_f1(counts: Floats) -> Floats:
    mean: Floats = _f1(counts).mean(axis=-1)
    return mean


def _left_out(counts: Floats, score: Callable[[Floats], Floats]) -> Scores:
    whole = counts.sum(axis=0)
    return Scores(float(score(whole)), score(whole - counts))


def _areas(labels: Array, outputs: Array) -> Scores:
    columns = range(labels.shape[1])
    each = [area_under_curve(labels[:, i] > 0, outputs[:, i].astype(np.float64)) for i in columns]
    without = np.mean([own.without for own in each], axis=0)
    return Scores(float(np.mean([own.whole for own in each])), without)
