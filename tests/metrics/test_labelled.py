"""Metrics against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.metrics import labelled as metrics


def one_hot(classes: list[int], width: int = 2) -> np.ndarray:
    return np.eye(width, dtype=np.float32)[classes]


def test_metrics_of_classification() -> None:
    labels, outputs = np.array([1, 1, 1, 0]), one_hot([1, 1, 0, 0])
    assert metrics.accuracy(labels, outputs) == 0.75
    # Precision 1 and recall 2/3 of class 1; precision 1/2 and recall 1 of class 0.
    assert metrics.binary_f1(labels, outputs) == pytest.approx(0.8)
    assert metrics.macro_f1(labels, outputs) == pytest.approx((0.8 + 2 / 3) / 2)
    # (2 x 1 - 0 x 1) / sqrt(2 x 3 x 1 x 2)
    assert metrics.matthews(labels, outputs) == pytest.approx(2 / np.sqrt(12))


def test_metrics_of_regression() -> None:
    labels, outputs = np.array([1.0, 2.0, 3.0]), np.array([[2.0], [4.0], [7.0]])
    assert metrics.pearson(labels, outputs) == pytest.approx(5 / np.sqrt(2 * 38 / 3))
    assert metrics.spearman(labels, outputs) == pytest.approx(1.0)
    assert metrics.neg_rmse(labels, outputs) == pytest.approx(-np.sqrt((1 + 4 + 16) / 3))


@pytest.mark.parametrize("metric", [metrics.pearson, metrics.spearman])
@pytest.mark.parametrize("outputs", [[[1.0], [1.0], [1.0]], [[np.nan], [1.0], [2.0]]])
def test_an_undefined_correlation_is_zero(metric: object, outputs: list[list[float]]) -> None:
    assert metric(np.array([1.0, 2.0, 3.0]), np.array(outputs)) == 0.0  # type: ignore[operator]


def test_the_correlation_of_a_constant_class_is_zero() -> None:
    assert metrics.matthews(np.array([0, 1, 1]), one_hot([1, 1, 1])) == 0.0
