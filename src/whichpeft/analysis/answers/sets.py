"""Answers that are several at once: a tag for each word, or any number of labels.

Each distinct answer has a number, so that such answers are compared as classes are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from whichpeft.metrics import several, tagging
from whichpeft.metrics.metric import Array, Floats

Sets = Literal["tags", "labels"]
Part = tuple[object, ...]
"""A part of an answer: the name of its class, and its place if it has one."""

_MOST_CHARACTERS = 100


def kind_of_sets(metric: str) -> Sets | None:
    """Return what the answers are that a metric scores; None if they are one thing each."""
    if metric in ("entity_f1", "token_accuracy"):
        return "tags"
    return "labels" if metric in several.METRICS else None


def fits(kind: Sets, arrays: Mapping[str, Array]) -> bool:
    """Whether a trial's arrays are those of such a task."""
    outputs, labels = arrays["outputs"], arrays["labels"]
    if len(labels) != len(outputs) or not np.isfinite(outputs).all():
        return False
    if kind == "labels":
        return labels.ndim == 2 and labels.shape == outputs.shape
    tags, right = arrays.get("tags"), arrays.get("right")
    same = tags is not None and right is not None and tags.shape == right.shape
    return same and outputs.ndim == 2 and outputs.shape[1] > tagging.NATS


def rows(kind: Sets, arrays: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return the right answers and those that were given, one row of small numbers per example."""
    if kind == "labels":
        return (arrays["labels"] > 0).astype(np.int16), (arrays["outputs"] > 0).astype(np.int16)
    return arrays["right"], arrays["tags"]


def doubt(kind: Sets, arrays: Mapping[str, Array]) -> Floats:
    """Return how far answers are from right: one minus the mean probability of what is right.

    For tags the mean is the geometric one.
    """
    outputs = arrays["outputs"].astype(np.float64)
    if kind == "labels":
        signed = np.where(arrays["labels"] > 0, outputs, -outputs)
        sure: Floats = np.exp(-np.logaddexp(0, -signed)).mean(axis=1)
        return 1 - sure
    words = np.maximum(outputs[:, tagging.TOKENS], 1)
    found: Floats = 1 - np.exp(-outputs[:, tagging.NATS] / words)
    return found


def numbered(matrices: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return the distinct rows of several matrices, and for each matrix the number of each row."""
    patterns, numbers = np.unique(np.concatenate(matrices), axis=0, return_inverse=True)
    ends = np.cumsum([len(matrix) for matrix in matrices])
    return patterns, np.split(numbers.reshape(-1), ends[:-1])


def is_constant(kind: Sets, given: Array) -> bool:
    """Whether all examples get the same labels, or all words the same tag."""
    if kind == "labels":
        return bool((given == given[0]).all())
    return len(np.unique(given[given >= 0])) < 2


def tag_names(pattern: Array, classes: Sequence[str]) -> list[str]:
    """Return the tags of a sentence; ``O`` for words that were not read."""
    end = int(np.flatnonzero(pattern >= 0)[-1]) + 1 if (pattern >= 0).any() else 0
    return [_name(int(number), classes) for number in pattern[:end]]


def parts(kind: Sets, pattern: Array, classes: Sequence[str]) -> Counter[Part]:
    """Return what an answer consists of: labels, entities, or, if no tag is ``O``, tags of words."""
    if kind == "labels":
        return Counter((_name(int(number), classes),) for number in np.flatnonzero(pattern))
    tags = tag_names(pattern, classes)
    if tagging.OUTSIDE in classes:
        return Counter(tagging.entities(tags))
    return Counter((tag, place) for place, tag in enumerate(tags))


def spelled(kind: Sets, pattern: Array, classes: Sequence[str], text: str) -> str:
    """Return an answer in words: labels, entities with their types, or all tags.

    Parameters
    ----------
    text
        The words of the sentence with blanks between them, as far as they were kept.
    """
    if kind == "labels":
        found = [_name(int(number), classes) for number in np.flatnonzero(pattern)]
        return _cut(", ".join(found) or "no label")
    tags = tag_names(pattern, classes)
    if tagging.OUTSIDE not in classes:
        return _cut(" ".join(tags))
    words = text.removesuffix("…").split()
    entities = [
        f"{' '.join(words[first : last + 1]) or f'word {first + 1}'} ({kind_})"
        for kind_, first, last in tagging.entities(tags)
    ]
    return _cut(", ".join(entities) or "no entity")


def _name(number: int, classes: Sequence[str]) -> str:
    if number < 0:
        return tagging.OUTSIDE
    return classes[number] if number < len(classes) else str(number)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
