"""The answers that the trials of a comparison gave to each test example, from their predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whichpeft.analysis.answers import sets
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.per_example import LM_EVAL, OF_CLASSES, PSEUDO_VALUES

Kind = Literal["classes", "choices", "values", "marks", "tags", "labels"]
"""What an answer is: a class, the number of a choice, a value, a text that is right or wrong, a tag per
word, or any number of labels.

The choices with one number are not a class if they differ from example to example.
"""

OF_CHOICES = {"acc": 0, "acc_norm": 1}
"""Metrics of choices, with the place of their likelihood in the outputs: in total, per character."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MethodAnswers:
    """What the completed trials of one method answered."""

    result: MethodResult
    """The method's result."""

    seeds: tuple[int, ...]
    """Seeds of the trials."""

    given: Array
    """Numbers of classes or choices, values, or marks of texts, 0 or 1, shape (seeds, examples).

    For tags and labels, the numbers of rows of `GivenAnswers.patterns`.
    """

    doubt: Floats
    """How far an answer is from right, the mean over the seeds, shape (examples,).

    One minus the probability of the right class, the absolute error of a value, one minus a mark.
    """

    texts: tuple[Array, ...] = ()
    """The texts that were generated, shape (examples,) per seed; empty for other answers."""

    @property
    def name(self) -> str:
        """The method as written in the study."""
        return self.result.method


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GivenAnswers:
    """What the methods of a comparison answered to the same test examples."""

    kind: Kind
    """What an answer is."""

    labels: Array
    """The right class numbers or values, shape (examples,); without meaning for marks."""

    methods: tuple[MethodAnswers, ...]
    """The methods with predictions, in the order of the study."""

    patterns: Array | None = None
    """The distinct answers: tags by word, or 0 and 1 by label; None for other answers."""

    constant: tuple[str, ...] = ()
    """Methods that are left out because they train nothing and give one answer to all examples."""

    def __len__(self) -> int:
        """Return the number of test examples."""
        return len(self.labels)

    @property
    def decimals(self) -> int:
        """Decimals with which values are shown: at least a fiftieth of how much the labels vary."""
        spread = float(self.labels.std()) if self.kind == "values" else 0.0
        return max(0, math.ceil(math.log10(50 / spread))) if spread > 0 else 2

    def wrong(self, method: MethodAnswers) -> Array:
        """Return which answers of a method are wrong, shape (seeds, examples). Not for values."""
        found: Array = method.given == 0 if self.kind == "marks" else method.given != self.labels
        return found


def given_answers(comparison: Comparison, problem: str | None = None) -> GivenAnswers | None:
    """Return what the methods of a comparison answered; None if their predictions are not known.

    Parameters
    ----------
    problem
        ``classification`` or ``regression`` if it is known; else the metric decides.
    """
    kind = _kind(comparison.metric, problem)
    if kind is None:
        return None
    labels: Array | None = None
    known: list[tuple[MethodResult, list[tuple[int, Mapping[str, Array]]]]] = []
    for result in comparison.answers:
        trials = []
        for seed, arrays in _arrays(comparison, result):
            labels = arrays["labels"] if labels is None else labels
            if np.array_equal(labels, arrays["labels"]) and _fits(kind, arrays):
                trials.append((seed, arrays))
        if trials:
            known.append((result, trials))
    if not known or labels is None or not len(labels):
        return None
    if kind in ("tags", "labels"):
        return _of_sets(kind, known)
    found, constant = [], []
    for result, trials in known:
        one = _method(kind, comparison.metric or "", result, trials, labels)
        if result.trains_nothing and kind != "marks" and not np.ptp(one.given):
            constant.append(result.method)
        else:
            found.append(one)
    if not found:
        return None
    return GivenAnswers(kind=kind, labels=labels, methods=tuple(found), constant=tuple(constant))


def _of_sets(
    kind: sets.Sets, known: Sequence[tuple[MethodResult, Sequence[tuple[int, Mapping[str, Array]]]]]
) -> GivenAnswers | None:
    """Return answers that are several at once, each distinct one with a number."""
    constant = [
        result.method
        for result, trials in known
        if result.trains_nothing
        and all(sets.is_constant(kind, sets.rows(kind, arrays)[1]) for _, arrays in trials)
    ]
    kept = [(result, trials) for result, trials in known if result.method not in constant]
    if not kept:
        return None
    right, _ = sets.rows(kind, kept[0][1][0][1])
    given = [sets.rows(kind, arrays)[1] for _, trials in kept for _, arrays in trials]
    patterns, (labels, *numbers) = sets.numbered([right, *given])
    left = iter(numbers)
    methods = [
        MethodAnswers(
            result=result,
            seeds=tuple(seed for seed, _ in trials),
            given=np.stack([next(left) for _ in trials]),
            doubt=np.mean([sets.doubt(kind, arrays) for _, arrays in trials], axis=0),
        )
        for result, trials in kept
    ]
    return GivenAnswers(
        kind=kind, labels=labels, methods=tuple(methods), patterns=patterns, constant=tuple(constant)
    )


def _kind(metric: str | None, problem: str | None) -> Kind | None:
    """Return what answers are; None for likelihoods, which have no answers, and unknown metrics."""
    if metric is None:
        return None
    if (several := sets.kind_of_sets(metric)) is not None:
        return several
    if metric.partition(":")[0] in OF_CLASSES or problem == "classification":
        return "classes"
    if metric in OF_CHOICES:
        return "choices"
    if metric in PSEUDO_VALUES or problem == "regression":
        return "values"
    return "marks" if metric == "exact_match" or metric.startswith(LM_EVAL) else None


def _arrays(comparison: Comparison, result: MethodResult) -> Iterator[tuple[int, Mapping[str, Array]]]:
    for record in result.records.completed:
        arrays = comparison.scores.arrays(record)
        if arrays is not None and {"labels", "outputs"} <= set(arrays):
            yield record.trial.seed, arrays


def _fits(kind: Kind, arrays: Mapping[str, Array]) -> bool:
    """Whether outputs have the shape that their task gives them; a plug-in's may have another."""
    if kind in ("tags", "labels"):
        return sets.fits(kind, arrays)
    labels, outputs = arrays["labels"], arrays["outputs"]
    if len(labels) != len(outputs) or outputs.ndim < 2 or not np.isfinite(outputs).all():
        return False
    if kind == "marks":  # a metric of the harness may count something else
        return outputs.ndim == 2 and bool(np.isin(outputs[:, 0], (0, 1)).all())
    if kind == "values":
        return outputs.ndim == 2
    whole = np.issubdtype(labels.dtype, np.integer)
    return whole and outputs.shape[1] > 1 and labels.min() >= 0 and labels.max() < outputs.shape[1]


def _method(
    kind: Kind,
    metric: str,
    result: MethodResult,
    trials: Sequence[tuple[int, Mapping[str, Array]]],
    labels: Array,
) -> MethodAnswers:
    given, doubt = [], []
    for _, arrays in trials:
        outputs = arrays["outputs"].astype(np.float64)
        if kind in ("classes", "choices"):
            outputs = outputs[:, :, OF_CHOICES[metric]] if metric in OF_CHOICES else outputs
            given.append(outputs.argmax(axis=1))
            doubt.append(1 - _probability(outputs, labels))
        else:
            given.append(outputs[:, 0])
            doubt.append(np.abs(outputs[:, 0] - labels) if kind == "values" else 1 - outputs[:, 0])
    texts = [arrays["answers"] for _, arrays in trials if "answers" in arrays]
    return MethodAnswers(
        result=result,
        seeds=tuple(seed for seed, _ in trials),
        given=np.stack(given),
        doubt=np.mean(doubt, axis=0),
        texts=tuple(texts) if len(texts) == len(trials) else (),
    )


def _probability(logits: Floats, labels: Array) -> Floats:
    """Return the probability of the right class by the softmax of the outputs."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers[np.arange(len(labels)), labels] / powers.sum(axis=1)
    return found
