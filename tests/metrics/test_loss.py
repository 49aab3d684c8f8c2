"""The loss of outputs: of classes, numbers, choices and completions, and none for free text."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from whichpeft.metrics.loss import mean_loss


def test_classes_have_the_log_loss_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 3, 50)
    shares = np.exp(logits.astype(float))
    shares /= shares.sum(axis=1, keepdims=True)
    found = mean_loss("classification", "accuracy", labels, logits)
    assert found == pytest.approx(log_loss(labels, shares))
    # It does not overflow, and a sure mistake costs its margin.
    assert mean_loss("classification", "f1", np.array([1]), np.array([[2000.0, 0.0]])) == 2000.0
    assert mean_loss("classification", "accuracy", labels, np.zeros((50, 3))) == pytest.approx(
        math.log(3)
    )


def test_numbers_have_the_mean_squared_error() -> None:
    labels, outputs = np.array([1.0, 2.0, 4.0]), np.array([[1.0], [3.0], [1.0]], np.float32)
    assert mean_loss("regression", "spearman", labels, outputs) == pytest.approx(10 / 3)


def test_choices_have_the_log_loss_of_their_likelihoods() -> None:
    # Each choice has its log-likelihood and its length.
    outputs = np.array([[[-1.0, 3], [-2.0, 9]], [[-5.0, 4], [-5.0, 4]]])
    expected = (math.log(1 + math.exp(-1)) + math.log(2)) / 2
    for metric in ("acc", "acc_norm"):
        assert mean_loss("generation", metric, np.array([0, 1]), outputs) == pytest.approx(expected)


def test_completions_have_nats_per_token() -> None:
    outputs = np.array([[-10.0, 5], [-2.0, 1]])  # log-likelihood and tokens
    assert mean_loss("generation", "log_likelihood", np.zeros(2), outputs) == pytest.approx(2.0)


def test_answers_in_free_text_have_none() -> None:
    assert mean_loss("generation", "exact_match", np.zeros(2), np.ones((2, 1))) is None


def test_tags_have_nats_per_word() -> None:
    counted = np.array([[0, 1, 2, 3, 4, 1.5], [0, 0, 0, 1, 1, 0.5]], np.float32)
    assert mean_loss("tagging", "entity_f1", np.array([4, 1]), counted) == pytest.approx(0.4)


def test_several_labels_have_nats_per_label() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(20, 3)), rng.integers(0, 2, (20, 3)).astype(np.float32)
    shares = 1 / (1 + np.exp(-logits))
    expected = log_loss(labels.ravel(), np.stack([1 - shares.ravel(), shares.ravel()], axis=1))
    assert mean_loss("multilabel", "micro_f1", labels, logits) == pytest.approx(expected)
