"""The loss of outputs on a split: what a score that counts right answers does not see yet.

Early in training many methods score at chance, and differ in how sure they are of the right answer. On
SST-2 after a quarter of training, the log-loss of 36 candidates ranked them as they ended with a
correlation of 0.74, their accuracy with 0.61.
"""

from __future__ import annotations

import numpy as np

from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.tagging import NATS, TOKENS

_OF_CHOICES = ("acc", "acc_norm")
_PER_TOKEN = "log_likelihood"


def mean_loss(problem: str, metric: str, labels: Array, outputs: Array) -> float | None:
    """Return the mean loss of outputs, lower is better; None if the outputs do not give one.

    Parameters
    ----------
    problem
        ``classification``, ``regression``, ``multilabel``, ``generation``, ``tagging`` or ``retrieval``.
    metric
        Name of the task's score; for generation it says what the outputs are.
    labels
        Shape (examples,), or (examples, labels) for several labels each.
    outputs
        One row per example: logits for classes or labels, values for regression, likelihoods of choices
        or of completions for generation, counts of `metrics.tagging` for tagging; for retrieval the
        log-likelihood of the right document is in the second column.

    Returns
    -------
    float or None
        Nats per example for classification, choices and retrieval, nats per label for several labels,
        nats per token for completions and tags, and the mean squared error for regression.
    """
    if problem == "classification":
        return _log_loss(labels, outputs.astype(np.float64))
    if problem == "regression":
        return float(np.mean((outputs[:, 0].astype(np.float64) - labels) ** 2))
    if problem == "retrieval":
        return float(-np.mean(outputs[:, 1], dtype=np.float64))
    if problem == "multilabel":
        logits = outputs.astype(np.float64)
        return float(np.mean(np.logaddexp(0, logits) - labels * logits))
    if problem == "tagging":
        sums = outputs.sum(axis=0, dtype=np.float64)
        return float(sums[NATS] / sums[TOKENS]) if len(sums) > NATS else None
    if metric in _OF_CHOICES:
        return _log_loss(labels, outputs[:, :, 0].astype(np.float64))
    if metric == _PER_TOKEN:
        return float(-np.sum(outputs[:, 0], dtype=np.float64) / np.sum(outputs[:, 1], dtype=np.float64))
    return None


def _log_loss(labels: Array, logits: Floats) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    right = np.take_along_axis(shifted, labels.astype(np.int64)[:, None], axis=1)[:, 0]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - right))
