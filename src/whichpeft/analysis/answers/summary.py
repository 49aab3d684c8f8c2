"""How methods answered the test examples of one backbone and task, all of it together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whichpeft.analysis.answers.by_class import MethodByClass, by_class
from whichpeft.analysis.answers.disagreement import Disagreement, disagreement
from whichpeft.analysis.answers.examples import ShownExamples, shown_examples
from whichpeft.analysis.answers.given import (
    GivenAnswers,
    Kind,
    MethodAnswers,
    given_answers,
)
from whichpeft.analysis.check.reading import class_names
from whichpeft.analysis.comparison import Comparison
from whichpeft.records import ExampleTexts, Reading


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueErrors:
    """How far the values of one method are from the labels, in their unit; means over its seeds."""

    method: str
    """The method as written in the study."""

    mean_absolute: float
    """Mean absolute error."""

    bias: float
    """Mean of answer minus label: above zero if the method answers too high."""

    largest: float
    """The largest mean absolute error of one example."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleAnswers:
    """How methods answered the test examples of one backbone and task."""

    backbone: str
    """Short name of the backbone."""

    task: str
    """Short name of the task."""

    metric: str
    """Name of the metric of the score."""

    kind: Kind
    """What an answer is: ``classes``, ``choices``, ``values``, ``marks`` of texts, ``tags`` of
    words or ``labels``."""

    examples: int
    """Number of test examples."""

    decimals: int
    """Decimals that values are shown with."""

    classes: tuple[MethodByClass, ...]
    """Scores by class of each method; empty if answers are not classes."""

    errors: tuple[ValueErrors, ...]
    """Errors of each method; empty if answers are not values."""

    disagreement: Disagreement
    """How different the answers of methods are."""

    shown: ShownExamples
    """Examples to read."""

    left_out: tuple[str, ...]
    """Methods that give one answer to all examples, because they train nothing."""

    def as_values(self) -> dict[str, Any]:
        """Return everything as JSON values, with the documented keys."""
        values = dataclasses.asdict(self)
        for one, written in zip(self.classes, values["classes"], strict=True):
            written["confusion"] = one.confusion.tolist()
        return values


def example_answers(
    comparison: Comparison,
    method: str | None = None,
    *,
    reading: Reading | None = None,
    texts: Sequence[ExampleTexts] = (),
) -> ExampleAnswers | None:
    """Return how the methods of a comparison answered; None if that is not known.

    Parameters
    ----------
    comparison
        The comparison.
    method
        The method whose wrong answers are shown; the one with the best score by default.
    reading
        What was read of the data, for the names of the classes.
    texts
        Excerpts of the test examples; those of other data are not used.
    """
    about = next(
        (one for one in (reading.tasks if reading else ()) if one.name == comparison.task), None
    )
    given = given_answers(comparison, about.problem if about is not None else None)
    if given is None or comparison.metric is None:
        return None
    kept = next(
        (one for one in texts if one.task == comparison.task and one.data == comparison.data), None
    )
    names = (kept.choices if kept is not None else ()) or class_names(reading, comparison.task)
    if given.kind == "choices" and names:
        given = dataclasses.replace(given, kind="classes")
    return ExampleAnswers(
        backbone=comparison.backbone,
        task=comparison.task,
        metric=comparison.metric,
        kind=given.kind,
        examples=len(given),
        decimals=given.decimals,
        classes=tuple(by_class(given, names)),
        errors=tuple(_errors(given, one) for one in given.methods) if given.kind == "values" else (),
        disagreement=disagreement(given),
        shown=shown_examples(given, _shown_method(given, method), classes=names, texts=kept),
        left_out=given.constant,
    )


def _shown_method(given: GivenAnswers, method: str | None) -> MethodAnswers:
    """Return the answers of a method; without it, those of the one with the best score."""
    scores = [one.result.score_mean or float("-inf") for one in given.methods]
    best = given.methods[int(np.argmax(scores))]
    return next((one for one in given.methods if one.name == method), best)


def _errors(given: GivenAnswers, method: MethodAnswers) -> ValueErrors:
    differences = method.given - given.labels
    return ValueErrors(
        method=method.name,
        mean_absolute=float(np.abs(differences).mean()),
        bias=float(differences.mean()),
        largest=float(np.abs(differences).mean(axis=0).max()),
    )
