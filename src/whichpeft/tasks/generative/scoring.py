"""Scores of language models, from generated text or from likelihoods.

A task's evaluation determines its outputs:

- ``choices``: shape (n, choices, 2), the log-likelihood of each choice in nats, in total and per
  character; `ABSENT` for missing choices. Labels are numbers of choices.
- ``generation``: shape (n, 2), whether the answer is right, and whether an answer was found at all.
  Free text has more columns with the counts that scores are computed from: see
  `whichpeft.metrics.text`.
- ``likelihood``: shape (n, 2), the log-likelihood of the completion in nats, and its number of tokens.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics import text as text_scores
from whichpeft.metrics.metric import Array, Metric

Evaluation = Literal["choices", "generation", "likelihood"]
ABSENT = float(np.finfo(np.float32).min)


def acc(labels: Array, outputs: Array) -> float:
    """Share of examples whose likeliest choice is right, like ``acc`` in lm-evaluation-harness."""
    return float(np.mean(np.argmax(outputs[:, :, 0], axis=1) == labels))


def acc_norm(labels: Array, outputs: Array) -> float:
    """The same by likelihood per character, like ``acc_norm`` in lm-evaluation-harness."""
    return float(np.mean(np.argmax(outputs[:, :, 1], axis=1) == labels))


def exact_match(labels: Array, outputs: Array) -> float:
    """Share of examples with the right answer in the generated text."""
    return float(np.mean(outputs[:, 0]))


def parsed(labels: Array, outputs: Array) -> float:
    """Share of examples with any answer in the generated text, right or wrong."""
    return float(np.mean(outputs[:, 1]))


def bleu(labels: Array, outputs: Array) -> float:
    """BLEU of all texts together, as a fraction."""
    return float(text_scores.bleu(outputs[:, text_scores.BLEU].sum(axis=0, dtype=np.float64)))


def chrf(labels: Array, outputs: Array) -> float:
    """The F score of character n-grams of all texts together, as a fraction."""
    return float(text_scores.chrf(outputs[:, text_scores.CHRF].sum(axis=0, dtype=np.float64)))


def rouge_l(labels: Array, outputs: Array) -> float:
    """Mean over the texts of the F1 of the longest common subsequence of words."""
    return float(np.mean(outputs[:, text_scores.ROUGE_L]))


def log_likelihood(labels: Array, outputs: Array) -> float:
    """Mean log-likelihood per token in nats; the perplexity is the exponential of its negative."""
    return float(np.sum(outputs[:, 0], dtype=np.float64) / np.sum(outputs[:, 1]))


ACC, ACC_NORM = Metric("acc", acc), Metric("acc_norm", acc_norm)
EXACT_MATCH, PARSED = Metric("exact_match", exact_match), Metric("parsed", parsed)
LOG_LIKELIHOOD = Metric("log_likelihood", log_likelihood)
TEXT_METRICS = (Metric("bleu", bleu), Metric("chrf", chrf), Metric("rouge_l", rouge_l))

_METRICS: tuple[tuple[Evaluation, tuple[Metric, ...]], ...] = (
    ("choices", (ACC, ACC_NORM)),
    ("generation", (EXACT_MATCH, PARSED)),
    ("generation", (*TEXT_METRICS, EXACT_MATCH, PARSED)),
    ("likelihood", (LOG_LIKELIHOOD,)),
)
# `parsed` accompanies a score, but is not one itself: any generated number would count.
_SCORES = ("acc", "acc_norm", "exact_match", "bleu", "chrf", "rouge_l", "log_likelihood")


def metrics_by(name: str) -> tuple[Evaluation, tuple[Metric, ...]]:
    """Return the evaluation that a metric requires, and the metrics to record, this one first.

    Raises DataError if no metric has this name.
    """
    for evaluation, metrics in _METRICS:
        for metric in metrics:
            if metric.name == name and name in _SCORES:
                return evaluation, (metric, *(other for other in metrics if other is not metric))
    raise DataError(unknown("metric", name, _SCORES))
