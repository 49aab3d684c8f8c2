"""AUROC and average precision: scikit-learn as oracle, classes, and their pseudo-values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from whichpeft.analysis import paired_gap
from whichpeft.errors import DataError
from whichpeft.metrics import labelled
from whichpeft.metrics.per_example import per_example
from whichpeft.metrics.ranking import auroc, average_precision, average_precision_of

ORACLES = {auroc: sklearn.roc_auc_score, average_precision: sklearn.average_precision_score}


def drawn(examples: int, classes: int, seed: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(examples) % classes)
    outputs = rng.standard_normal((examples, classes))
    outputs[np.arange(examples), labels] += 0.7
    return labels, np.round(outputs, digits).astype(np.float32)


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_two_classes_are_scored_as_scikit_learn_does(metric, digits: int) -> None:
    labels, outputs = drawn(61, 2, seed=digits, digits=digits)
    margin = outputs[:, 1].astype(np.float64) - outputs[:, 0]
    assert metric(labels, outputs) == pytest.approx(ORACLES[metric](labels, margin))


@pytest.mark.parametrize("metric", ORACLES)
def test_more_classes_are_each_scored_against_all_others(metric) -> None:
    labels, outputs = drawn(90, 4, seed=1, digits=6)
    likely = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    each = [ORACLES[metric](labels == number, likely[:, number]) for number in range(4)]
    assert metric(labels, outputs) == pytest.approx(np.mean(each), abs=1e-6)


def test_saturated_outputs_still_rank() -> None:
    """A softmax of these is 1 for both positives, so that they would tie with the last negative."""
    outputs = np.array([[-300.0, 300.0], [-200.0, 200.0], [-150.0, 150.0], [100.0, -100.0]])
    assert auroc(np.array([1, 1, 0, 0]), outputs) == 1
    assert auroc(np.array([1, 0, 1, 0]), outputs) == 0.75


def test_a_classifier_that_always_answers_alike_is_at_chance() -> None:
    labels = np.array([0, 0, 0, 1])
    alike = np.tile([2.0, -1.0], (4, 1))
    assert auroc(labels, alike) == 0.5
    assert average_precision(labels, alike) == 0.25
    assert average_precision_of(0, labels, alike) == 0.75


def test_classes_that_the_labels_lack_are_not_averaged_over() -> None:
    labels, outputs = drawn(40, 3, seed=3, digits=6)
    wider = np.concatenate([outputs, np.full((40, 1), -50.0)], axis=1)
    assert auroc(labels, wider) == pytest.approx(auroc(labels, outputs))


def test_average_precision_is_of_the_class_in_its_name() -> None:
    labels, outputs = drawn(50, 2, seed=4, digits=6)
    first, *others = labelled.metrics_by("average_precision:b", "classification", {"b": 30, "a": 20})
    assert (first.name, first.positive_class, first.positive_number) == ("average_precision:b", "b", 0)
    assert [metric.name for metric in others] == ["accuracy", "macro_f1"]
    expected = sklearn.average_precision_score(labels == 0, outputs[:, 0] - outputs[:, 1])
    assert first.compute(labels, outputs) == pytest.approx(expected)
    found = per_example(first.name, labels, outputs, positive=0)
    assert found is not None
    assert found.mean() == pytest.approx(expected)
    rarer, *_ = labelled.metrics_by("average_precision", "classification", {"b": 30, "a": 20})
    assert rarer.name == "average_precision:a"
    several, *_ = labelled.metrics_by("average_precision", "classification", {"a": 1, "b": 1, "c": 1})
    assert several is labelled.AVERAGE_PRECISION


def test_ranks_need_classes() -> None:
    with pytest.raises(DataError, match="unknown metric 'auroc'; regression is scored by pearson"):
        labelled.metrics_by("auroc", "regression", {})


def test_arrays_of_scores_are_compared() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    weak, strong = (labels + noise * rng.standard_normal((5, 300)) for noise in (2.0, 1.0))
    gap = paired_gap(strong, weak, labels=labels, metric="auroc", rng=rng)
    scores = [np.mean([sklearn.roc_auc_score(labels, row) for row in rows]) for rows in (strong, weak)]
    assert gap.mean == pytest.approx(scores[0] - scores[1])
    assert gap.p_value < 0.05


def simulated(rng: np.random.Generator, examples: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of two methods whose true AUROC is 0.814; both share what makes an example hard."""
    labels = (rng.random(examples) < 0.2).astype(int)
    hard = rng.standard_normal(examples)
    own = rng.standard_normal((2, examples))
    seed = rng.standard_normal((2, seeds, examples))
    return labels, 1.5 * labels + 0.8 * hard + 0.5 * own[:, None] + 0.7 * seed


@pytest.mark.parametrize("metric", ["auroc", "average_precision"])
def test_intervals_cover_the_truth(metric: str) -> None:
    """The true gap is 0, because both methods are drawn alike."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(400):
        labels, scores = simulated(rng, examples=250, seeds=3)
        gap = paired_gap(scores[0], scores[1], labels=labels, metric=metric, rng=rng)
        covered.append(gap.low <= 0 <= gap.high)
    assert np.mean(covered) >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / 400)
