"""Builds text and image tasks from examples in memory: problem, classes, fingerprint, chance."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.labelled import CUSTOMARY, metrics_by
from whichpeft.metrics.metric import Array, Metric
from whichpeft.study.spec import PROBLEMS
from whichpeft.tasks.images.raw import RawImage, register_image
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.labelled import Labelled, LabelledTask
from whichpeft.tasks.labels import class_names, class_numbers, infer_problem, is_missing, label_values
from whichpeft.tasks.overlap import leaked_rows
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import FinalSplits, Input, Label, Split, make_splits
from whichpeft.tasks.tables.table import ColumnUse
from whichpeft.tasks.text import TextTask

Example = tuple[str | tuple[str, str], Label]
ImageExample = tuple[Path | bytes | Array, Label]
Built = TypeVar("Built", bound=LabelledTask)


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
        for i, (image, label) in enumerate(examples):
            if is_missing(label):
                raise DataError(f"{location}: example {i} has no label")
            shown = str(image) if isinstance(image, Path) else f"{location}: example {i}"
            inputs.append(register_image(RawImage(image, shown), raw_images))
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


def assemble(
    kind: type[Built],
    name: str,
    *,
    train: Split,
    validation: Split | None = None,
    dev: Split | None = None,
    test: Split | None = None,
    metrics: tuple[Metric, ...] = (),
    problem: str | None = None,
    metric: str | None = None,
    class_order: Sequence[str] = (),
    columns: ColumnUse | None = None,
    notes: Sequence[str] = (),
) -> Built:
    """Build a task of type `kind` from raw splits.

    `text_task`, `image_task` and the readers of tables all end here. `metric` is the name of the score
    if the user chose one by name. `class_order` lists the classes in the order in which the source of
    the data numbers them.
    """
    if not len(train):
        raise DataError(f"{train.location}: contains no labelled examples; the split is empty")
    problem = problem or infer_problem(train.labels)
    if problem not in PROBLEMS:
        raise DataError(f"task {name!r}: {unknown('problem', problem, PROBLEMS)}")
    classification = problem == "classification"
    # Check the classes before any hold-out, which could not use such labels.
    classes = class_names(train, class_order) if classification else ()
    if not classification and np.ptp(label_values(train)) == 0:
        raise DataError(
            f"{train.location}: every label is {train.labels[0]}; regression needs at least two values"
        )
    arranged = make_splits(
        train=train, validation=validation, dev=dev, test=test, classes=classification
    )
    splits = {
        key: Labelled(split.inputs, _numbers(split, classes, classification))
        for key, split in _named(arranged)
    }
    labels = splits["train"].labels
    class_rows = _class_rows(splits, classes)
    chosen = metrics or CUSTOMARY[problem]
    if metric is not None:
        try:
            chosen = metrics_by(metric, problem, len(classes))
        except DataError as error:
            raise DataError(f"task {name!r}: {error}") from None
    task = kind(
        name=name,
        problem=problem,
        fingerprint=_fingerprint(splits, classes, metric),
        metrics=chosen,
        chance=0.0,
        counts={key: len(split.labels) for key, split in splits.items()},
        classes=classes,
        majority=int(np.bincount(labels).argmax()) if classification else 0,
        mean=0.0 if classification else float(labels.mean()),
        deviation=1.0 if classification else float(labels.std()),
        class_counts=_total(class_rows, classes),
        class_rows=class_rows,
        leaked=leaked_rows({key: split.inputs for key, split in splits.items()}),
        columns=columns,
        notes=(*notes, *arranged.notes),
        splits=splits,
    )
    test_labels = splits["test"].labels
    chance = float(chosen[0].compute(test_labels, task.constant_baseline(len(test_labels))))
    return task.with_chance(chance if np.isfinite(chance) else 0.0)


def _read(examples: Iterable[Example], location: str) -> Split:
    texts: list[tuple[str, ...]] = []
    labels: list[Label] = []
    for i, (text, label) in enumerate(examples):
        both = (text,) if isinstance(text, str) or not isinstance(text, Sequence) else tuple(text)
        if not 1 <= len(both) <= 2 or not all(isinstance(part, str) for part in both):
            raise DataError(
                f"{location}: example {i} is neither a string nor a pair of strings: {text!r}"
            )
        if is_missing(label):
            raise DataError(f"{location}: example {i} has no label")
        texts.append(both)
        labels.append(label)
    if len({len(both) for both in texts}) > 1:
        raise DataError(f"{location}: some examples are pairs of texts and others are single texts")
    return Split(inputs=tuple(texts), labels=tuple(labels), location=location)


def _numbers(split: Split, classes: Sequence[str], classification: bool) -> Array:
    return class_numbers(split, classes) if classification else label_values(split)


def _named(arranged: FinalSplits) -> list[tuple[str, Split]]:
    return [(key, getattr(arranged, key)) for key in SPLITS]


def _class_rows(splits: dict[str, Labelled], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    if not classes:
        return {}
    return {
        key: dict(zip(classes, np.bincount(split.labels, minlength=len(classes)).tolist(), strict=True))
        for key, split in splits.items()
    }


def _total(class_rows: dict[str, dict[str, int]], classes: Sequence[str]) -> dict[str, int]:
    return {name: sum(rows[name] for rows in class_rows.values()) for name in classes}


def _fingerprint(splits: dict[str, Labelled], classes: Sequence[str], metric: str | None) -> str:
    """Hash every input and label of the three splits, in order.

    Each value is preceded by its length, so that no two different data sets produce the same bytes. A
    score chosen by name leads to other checkpoints and options, so it counts as part of the data.
    """
    digest = hashlib.sha256()

    def put(value: object) -> None:
        data = str(value).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)

    for key in SPLITS:
        put(f"{key} {len(splits[key].inputs)}")
        for parts, label in zip(splits[key].inputs, splits[key].labels.tolist(), strict=True):
            for part in parts:
                put(part)
            put(classes[label] if classes else repr(label))
    if metric is not None:
        put(metric)
    return digest.hexdigest()
