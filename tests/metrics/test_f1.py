"""F1 of one class and macro F1, against scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.metrics import f1_score

from whichpeft.errors import DataError
from whichpeft.metrics import labelled as metrics
from whichpeft.metrics.per_example import per_example

RNG = np.random.default_rng(7)


def drawn(
    classes: int, examples: int = 60, *, tested: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels of the first `tested` classes, and outputs of all."""
    labels = RNG.integers(0, tested or classes, examples)
    outputs = RNG.standard_normal((examples, classes)).astype(np.float32)
    outputs[np.arange(examples), labels] += 0.7
    return labels, outputs


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("f1", {"fraud": 5, "genuine": 95}, "fraud"),
        ("f1", {"genuine": 95, "scam": 5}, "scam"),
        ("f1", {"0": 50, "1": 50}, "1"),
        ("f1:genuine", {"fraud": 5, "genuine": 95}, "genuine"),
        ("f1:b", {"a": 5, "b": 6, "c": 7}, "b"),
        ("f1: not sure", {"sci: med": 3, "not sure": 3, "c": 4}, "not sure"),
        ("f1:sci: med", {"sci: med": 3, "not sure": 3, "c": 4}, "sci: med"),
    ],
)
def test_f1_is_of_the_class_in_its_name(name: str, classes: dict[str, int], expected: str) -> None:
    score, *others = metrics.metrics_by(name, "classification", classes)
    assert score.name == f"f1:{expected}"
    assert score.positive_class == expected
    assert list(classes)[score.positive_number or 0] == expected
    assert [metric.name for metric in others] == ["accuracy", "macro_f1"]
    labels, outputs = drawn(len(classes))
    truth = np.array(list(classes))[labels]
    found = np.array(list(classes))[outputs.argmax(1)]
    value = f1_score(truth, found, labels=[expected], average="macro", zero_division=0)
    again = pickle.loads(pickle.dumps(score))
    assert score.compute(labels, outputs) == again.compute(labels, outputs) == pytest.approx(value)
    per = per_example(score.name, labels, outputs, positive=score.positive_number or 0)
    assert per is not None
    assert per.mean() == pytest.approx(value)


def test_f1_of_a_class_per_example_is_the_jackknife() -> None:
    labels, outputs = drawn(3, 25)
    whole = f1_score(labels == 2, outputs.argmax(1) == 2)
    without = [
        f1_score(np.delete(labels, i) == 2, np.delete(outputs, i, axis=0).argmax(1) == 2)
        for i in range(25)
    ]
    expected = -24 * np.array(without)
    expected += whole - expected.mean()
    assert per_example("f1:x", labels, outputs, positive=2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("f1:freud", {"fraud": 5, "genuine": 95}, "unknown class 'freud'; did you mean 'fraud'?"),
        ("f1:", {"fraud": 5, "genuine": 95}, "the classes are fraud and genuine"),
        ("f1", {"a": 1, "b": 2, "c": 3}, "classification with 3 classes is scored by .*f1:CLASS"),
        ("f1:a", {}, "regression is scored by pearson"),
    ],
)
def test_an_unknown_class_is_refused(name: str, classes: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        metrics.metrics_by(name, "classification" if classes else "regression", classes)


def test_glue_scores_class_1_under_its_name() -> None:
    named = metrics.with_class_named(metrics.F1, ("not_equivalent", "equivalent"))
    assert (named.name, named.positive_class) == ("f1:equivalent", "equivalent")
    labels, outputs = drawn(2)
    assert named.compute(labels, outputs) == f1_score(labels, outputs.argmax(1))
    assert metrics.with_class_named(metrics.ACCURACY, ("a", "b")) is metrics.ACCURACY


def test_macro_f1_is_over_the_classes_of_the_labels() -> None:
    labels, outputs = drawn(4, tested=3)
    found = outputs.argmax(1)
    assert 3 in found
    expected = np.mean([f1_score(labels == c, found == c) for c in range(3)])
    assert metrics.macro_f1(labels, outputs) == pytest.approx(expected)
    assert per_example("macro_f1", labels, outputs).mean() == pytest.approx(expected)
    # One prediction of a class that is not there costs no more than another wrong answer.
    truth = np.array([0] * 10 + [1] * 10)
    wrong = np.eye(3)[[2] + [0] * 9 + [1] * 10]
    assert metrics.macro_f1(truth, wrong) == pytest.approx((18 / 19 + 1) / 2)


def test_macro_f1_of_all_classes_is_as_before() -> None:
    labels, outputs = drawn(4, 200)
    expected = f1_score(labels, outputs.argmax(1), average="macro", zero_division=0)
    assert metrics.macro_f1(labels, outputs) == expected


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_per_example_with_rare_and_lacking_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.array([0, 0, 0, 1, 1, 2, 4, 4])
    outputs = np.eye(6)[rng.integers(0, 6, 8)]
    without = [metrics.macro_f1(np.delete(labels, i), np.delete(outputs, i, axis=0)) for i in range(8)]
    expected = -7 * np.array(without)
    expected += metrics.macro_f1(labels, outputs) - expected.mean()
    assert per_example("macro_f1", labels, outputs) == pytest.approx(expected)
