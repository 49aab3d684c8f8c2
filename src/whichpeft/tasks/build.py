"""From raw splits to a TextTask: problem, classes, fingerprint, chance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from whichpeft.errors import DataError, nearest
from whichpeft.study.spec import PROBLEMS
from whichpeft.tasks.labels import class_names, class_numbers, find_problem, is_missing, quantities
from whichpeft.tasks.metrics import CUSTOMARY
from whichpeft.tasks.protocol import SPLITS, Array, Metric
from whichpeft.tasks.splits import Arranged, Label, Split, arrange
from whichpeft.tasks.text import LabelledTexts, TextTask

Example = tuple[str | tuple[str, str], Label]


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

    Without `test`, validation is the test and a part of train is held out; with neither, train is
    split 80/10/10. Metrics are by default accuracy and macro F1, or Pearson, Spearman and the
    negated root mean squared error; the problem is found from train's labels.

    Raises DataError where a split is empty or a label does not fit.
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {
        key: _read(examples, f"task {name!r} [{key}]")
        for key, examples in given.items()
        if examples is not None
    }
    return assemble(
        name,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        metrics=tuple(metrics),
        problem=problem,
    )


def assemble(
    name: str,
    *,
    train: Split,
    validation: Split | None = None,
    dev: Split | None = None,
    test: Split | None = None,
    metrics: tuple[Metric, ...] = (),
    problem: str | None = None,
    class_order: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> TextTask:
    """Build a text task from raw splits; `text_task` and the readers of files end here.

    class_order: names of the classes in the order that the data's own source numbers them.
    """
    if not len(train):
        raise DataError(f"{train.where}: holds no labelled examples; the split is empty")
    problem = problem or find_problem(train.labels)
    if problem not in PROBLEMS:
        raise DataError(f"task {name!r}: unknown problem {problem!r}{nearest(problem, PROBLEMS)}")
    classification = problem == "classification"
    # Refused before any hold-out, which would otherwise meet labels it cannot use.
    classes = class_names(train, class_order) if classification else ()
    if not classification and np.ptp(quantities(train)) == 0:
        raise DataError(f"{train.where}: every label is {train.labels[0]}; regression needs two or more")
    arranged = arrange(train=train, validation=validation, dev=dev, test=test, classes=classification)
    splits = {
        key: LabelledTexts(split.texts, _numbers(split, classes, classification))
        for key, split in _named(arranged)
    }
    labels = splits["train"].labels
    chosen = metrics or CUSTOMARY[problem]
    task = TextTask(
        name=name,
        problem=problem,
        fingerprint=_fingerprint(splits, classes),
        metrics=chosen,
        chance=0.0,
        counts={key: len(split.labels) for key, split in splits.items()},
        classes=classes,
        majority=int(np.bincount(labels).argmax()) if classification else 0,
        mean=0.0 if classification else float(labels.mean()),
        deviation=1.0 if classification else float(labels.std()),
        notes=(*notes, *arranged.notes),
        splits=splits,
    )
    test_labels = splits["test"].labels
    chance = float(chosen[0].compute(test_labels, task.constant(len(test_labels))))
    return task.with_chance(chance if np.isfinite(chance) else 0.0)


def _read(examples: Iterable[Example], where: str) -> Split:
    texts: list[tuple[str, ...]] = []
    labels: list[Label] = []
    for i, (text, label) in enumerate(examples):
        both = (text,) if isinstance(text, str) or not isinstance(text, Sequence) else tuple(text)
        if not 1 <= len(both) <= 2 or not all(isinstance(part, str) for part in both):
            raise DataError(f"{where}: example {i} is no text and no pair of texts: {text!r}")
        if is_missing(label):
            raise DataError(f"{where}: example {i} has no label")
        texts.append(both)
        labels.append(label)
    if len({len(both) for both in texts}) > 1:
        raise DataError(f"{where}: some examples are pairs of texts and some are not")
    return Split(texts=tuple(texts), labels=tuple(labels), where=where)


def _numbers(split: Split, classes: Sequence[str], classification: bool) -> Array:
    return class_numbers(split, classes) if classification else quantities(split)


def _named(arranged: Arranged) -> list[tuple[str, Split]]:
    return [(key, getattr(arranged, key)) for key in SPLITS]


def _fingerprint(splits: dict[str, LabelledTexts], classes: Sequence[str]) -> str:
    """Hash every text and label of the three splits, in order; lengths go first, so that no two
    different data sets write the same bytes."""
    digest = hashlib.sha256()

    def put(value: Any) -> None:
        data = str(value).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)

    for key in SPLITS:
        put(f"{key} {len(splits[key].texts)}")
        for texts, label in zip(splits[key].texts, splits[key].labels.tolist(), strict=True):
            for text in texts:
                put(text)
            put(classes[label] if classes else repr(label))
    return digest.hexdigest()
