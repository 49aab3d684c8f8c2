"""Pseudo-values against the metrics of tasks and against leaving out one example at a time."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.metrics import labelled as metrics
from whichpeft.metrics.per_example import OF_CLASSES, PSEUDO_VALUES, per_example

KNOWN = {
    metric.name: metric.compute
    for metric in (
        metrics.ACCURACY,
        metrics.MACRO_F1,
        metrics.F1,
        metrics.MATTHEWS,
        metrics.PEARSON,
        metrics.SPEARMAN,
        metrics.NEG_RMSE,
        metrics.BALANCED_ACCURACY,
        metrics.AUROC,
        metrics.AVERAGE_PRECISION,
    )
}


def test_every_metric_of_a_task_has_pseudo_values():
    assert set(PSEUDO_VALUES) == set(KNOWN)


OF_SCORES = ("auroc", "average_precision")


def drawn(name, examples, rng, classes=4):
    """Draw correlated labels and outputs, with ties."""
    if name not in (*OF_CLASSES, *OF_SCORES):
        labels = np.round(2 * rng.standard_normal(examples)) / 2
        return labels, (labels + 0.5 * rng.standard_normal(examples)).reshape(-1, 1).astype(np.float32)
    classes = 2 if name == "f1" else classes
    labels = rng.integers(0, classes, examples)
    outputs = rng.standard_normal((examples, classes)).astype(np.float32)
    outputs[np.arange(examples), labels] += 1
    return labels, np.round(outputs, 1) if name in OF_SCORES else outputs


def brute(metric, labels, outputs):
    """Leave out one example at a time."""
    n = len(labels)
    without = [metric(np.delete(labels, i), np.delete(outputs, i, axis=0)) for i in range(n)]
    values = -(n - 1) * np.array(without)
    return values - values.mean() + metric(labels, outputs)


@pytest.mark.parametrize("name", list(KNOWN))
@pytest.mark.parametrize("examples", [6, 40])
def test_pseudo_values_match_the_jackknife(name, examples):
    labels, outputs = drawn(name, examples, np.random.default_rng(examples))
    found = per_example(name, labels, outputs)
    assert found.shape == (examples,)
    assert found.mean() == pytest.approx(KNOWN[name](labels, outputs))
    # Spearman's pseudo-values leave out terms of the order of 1/n.
    tolerance = 2 / examples if name == "spearman" else 1e-6
    assert found == pytest.approx(brute(KNOWN[name], labels, outputs), abs=tolerance)


def test_accuracy_is_zero_or_one_per_example():
    outputs = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]])
    assert list(per_example("accuracy", np.array([1, 0, 0]), outputs)) == [1, 1, 0]


@pytest.mark.parametrize("name", list(KNOWN))
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
def test_constant_predictions_and_labels_are_defined(name, labels):
    labels = np.array(labels)
    outputs = np.zeros((4, 1)) if name not in (*OF_CLASSES, *OF_SCORES) else np.tile([1.0, 0.0], (4, 1))
    found = per_example(name, labels, outputs)
    assert np.isfinite(found).all()
    assert found == pytest.approx(brute(KNOWN[name], labels, outputs), abs=1e-6)


def test_a_class_with_a_single_example_is_defined():
    labels = np.array([0, 0, 1, 1, 2])
    outputs = np.eye(3)[[0, 1, 1, 1, 0]]
    expected = brute(KNOWN["macro_f1"], labels, outputs)
    assert per_example("macro_f1", labels, outputs) == pytest.approx(expected)


def test_an_unknown_metric_has_no_pseudo_values():
    assert per_example("meteor", np.zeros(3), np.zeros((3, 1))) is None
