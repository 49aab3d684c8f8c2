"""Builds text and image tasks from examples in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.assemble import assemble
from whichpeft.tasks.images.raw import RawImage, register_image
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.labels import as_python, is_missing
from whichpeft.tasks.splits import Input, Label, Split
from whichpeft.tasks.tables.encodings import HALF_PAIR
from whichpeft.tasks.tables.values import kind_of, plain_value
from whichpeft.tasks.text import TextTask
from whichpeft.units import join_words, plural

_MOST_NAMED = 5

Example = tuple[str | tuple[str, str], Label]
ImageExample = tuple[Path | bytes | Array, Label]


def text_task(
    name: str,
    *,
    train: Iterable[Example],
    validation: Iterable[Example] | None = None,
    test: Iterable[Example] | None = None,
    metrics: Sequence[Metric] = (),
    problem: str | None = None,
) -> TextTask:
    """Build a text task from pairs of (text, label), or ((text, text), label) for sentence pairs.

    Parameters
    ----------
    name
        Name of the task in reports and records.
    train, validation, test
        The splits. Without `test`, validation becomes the test set and part of train is held out for
        validation. Without both, train is split 80/10/10.
    metrics
        Metrics to record, the score first. The default is accuracy and macro F1 for classification;
        Pearson, Spearman and the negated root mean squared error for regression.
    problem
        ``classification`` or ``regression``; inferred from train's labels by default.

    Raises
    ------
    DataError
        If a split is empty or a label does not fit the problem.
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {
        key: _read(examples, f"task {name!r} [{key}]")
        for key, examples in given.items()
        if examples is not None
    }
    return assemble(
        TextTask,
        name,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        metrics=tuple(metrics),
        problem=problem,
        notes=[note for split in splits.values() for note in _empty_notes(split)],
    )


def image_task(
    name: str,
    *,
    train: Iterable[ImageExample],
    validation: Iterable[ImageExample] | None = None,
    test: Iterable[ImageExample] | None = None,
    metrics: Sequence[Metric] = (),
) -> ImageTask:
    """Build an image task from pairs of (image, class).

    Parameters
    ----------
    name
        Name of the task in reports and records.
    train, validation, test
        The splits, as in `text_task`. An image is the path of a file, the bytes of a file, or uint8
        pixels of shape (height, width[, 3]).
    metrics
        Metrics to record, as in `text_task`.

    Raises
    ------
    DataError
        If a split is empty, a file cannot be read, or a label does not fit.
    """
    given = {"train": train, "validation": validation, "test": test}
    raw_images: dict[str, RawImage] = {}
    splits: dict[str, Split] = {}
    for key, examples in given.items():
        if examples is None:
            continue
        location = f"task {name!r} [{key}]"
        inputs: list[Input] = []
        labels: list[Label] = []
        for i, example in enumerate(examples):
            image, label = _two(example, f"{location}: example {i}", "an image")
            if is_missing(label):
                raise DataError(f"{location}: example {i} has no label")
            shown = str(image) if isinstance(image, str | Path) else f"{location}: example {i}"
            content = _content(image, f"{location}: example {i}")
            inputs.append(register_image(RawImage(content, shown), raw_images))
            labels.append(label)
        splits[key] = Split(inputs=tuple(inputs), labels=tuple(labels), location=location)
    task = assemble(
        ImageTask,
        name,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        metrics=tuple(metrics),
        problem="classification",
    )
    return dataclasses.replace(task, raw_images=raw_images)


def _two(example: Any, location: str, what: str) -> tuple[Any, Any]:
    """Return an example's input and label. Raises DataError if it is not a pair of both."""
    if (
        isinstance(example, str | bytes | Mapping)
        or not hasattr(example, "__len__")
        or len(example) != 2
    ):
        raise DataError(f"{location} is not {what} with a label, but {str(example)[:80]!r}")
    return example[0], example[1]


def _content(image: Any, location: str) -> Path | bytes | Array:
    """Return a file, the bytes of one, or pixels. Raises DataError for anything else."""
    if isinstance(image, str):
        return Path(image)
    if isinstance(image, Path | bytes):
        return image
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"{location} is of type {type(image).__name__}; give the path of a file, the bytes of "
            "one, or uint8 pixels, such as numpy.asarray(image.convert('RGB'))"
        )
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    ):
        raise DataError(
            f"{location}: its pixels are {image.dtype} of shape {image.shape}; give uint8 from 0 to 255 "
            "of shape (height, width) or (height, width, 3)"
        )
    return pixels


def _empty_notes(split: Split) -> Iterator[str]:
    """Say which examples have no text to learn from."""
    empty = [i for i, parts in enumerate(split.inputs) if not any(str(part).strip() for part in parts)]
    if empty:
        numbers = join_words(map(str, empty), most=_MOST_NAMED)
        yield (
            f"{split.location}: the text of {plural('example', len(empty))} {numbers} is empty; such "
            "examples are kept, so leave them out if they are gaps"
        )


def _read(examples: Iterable[Example], location: str) -> Split:
    texts: list[tuple[str, ...]] = []
    labels: list[Label] = []
    for i, example in enumerate(examples):
        text, given = _two(example, f"{location}: example {i}", "a text (or a pair of texts)")
        both = (text,) if isinstance(text, str) or not isinstance(text, Sequence) else tuple(text)
        if not 1 <= len(both) <= 2 or not all(isinstance(part, str) for part in both):
            raise DataError(
                f"{location}: example {i} is neither a string nor a pair of strings: {text!r}"
            )
        if any(map(HALF_PAIR.search, both)):
            raise DataError(
                f"{location}: the text of example {i} has half of a surrogate pair (an emoji that was "
                "cut), which cannot be written; leave it out, or replace it by U+FFFD"
            )
        label = plain_value(as_python(given))
        if is_missing(label):
            raise DataError(f"{location}: example {i} has no label")
        if kind_of(label) is not None:
            raise DataError(
                f"{location}: the label of example {i} is neither text nor a number: {label!r}"
            )
        texts.append(both)
        labels.append(label)
    if len({len(both) for both in texts}) > 1:
        raise DataError(f"{location}: some examples are pairs of texts and others are single texts")
    return Split(inputs=tuple(texts), labels=tuple(labels), location=location)
