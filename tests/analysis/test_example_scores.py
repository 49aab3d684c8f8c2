"""The scores of each test example, from stored predictions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from whichpeft.analysis.example_scores import ScoresByExample

from .. import builders

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 3, 80)
OUTPUTS = RNG.standard_normal((80, 3)) + np.eye(3)[LABELS]


@pytest.mark.parametrize(
    ("metric", "positive", "stored"),
    [
        ("f1:fraud", 0, {"positive": np.array(0)}),
        ("f1:c: d", 2, {"positive": np.array(2)}),
        ("f1", 1, {}),
    ],
)
def test_f1_is_of_the_class_that_the_predictions_name(metric, positive, stored):
    score = f1_score(positive == LABELS, OUTPUTS.argmax(1) == positive)
    record = builders.final("lora", 0, score, metric=metric)
    arrays = {"labels": LABELS, "outputs": OUTPUTS, **stored}
    found = ScoresByExample(lambda _: arrays).of([record])
    assert found is not None
    assert found.shape == (1, 80)
    assert found.mean() == pytest.approx(score)


def test_f1_without_the_number_of_its_class_has_no_scores_by_example():
    score = f1_score(LABELS == 0, OUTPUTS.argmax(1) == 0)
    record = builders.final("lora", 0, score, metric="f1:fraud")
    assert ScoresByExample(lambda _: {"labels": LABELS, "outputs": OUTPUTS}).of([record]) is None
