"""Builds a text or image task from raw splits: problem, classes, metrics, fingerprint, chance, notes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.labelled import CUSTOMARY, metrics_by, with_class_named
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.per_example import OF_ONE_CLASS
from whichpeft.study.spec import PROBLEMS
from whichpeft.tasks.class_notes import (
    ClassRows,
    check_scored_classes,
    class_notes,
    problem_notes,
    range_notes,
    rarer_class_notes,
    size_notes,
)
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.labelled import Labelled, LabelledTask
from whichpeft.tasks.labels import class_name, class_names, class_numbers, infer_problem, label_values
from whichpeft.tasks.overlap import contradiction_notes, leaked_rows, overlap_notes
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.residues.alphabet import with_residues_read
from whichpeft.tasks.splits import FinalSplits, Split, make_splits
from whichpeft.tasks.tables.table import ColumnUse
from whichpeft.tasks.unlabelled import leave_out_unlabelled

Built = TypeVar("Built", bound=LabelledTask)


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
    given = {"train": train, "validation": validation, "dev": dev, "test": test}
    labelled, unlabelled_notes = leave_out_unlabelled(
        {role: split for role, split in given.items() if split is not None},
        problem,
        columns.label if columns is not None else None,
    )
    labelled, residues = with_residues_read(labelled)
    train = labelled["train"]
    asked, problem = problem, problem or infer_problem(train.labels)
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
        train=train,
        validation=labelled.get("validation"),
        dev=labelled.get("dev"),
        test=labelled.get("test"),
        classes=classification,
    )
    splits = {
        key: Labelled(split.inputs, _numbers(split, classes, classification))
        for key, split in _named(arranged)
    }
    labels = splits["train"].labels
    class_rows = _class_rows(splits, classes)
    chosen = tuple(with_class_named(one, classes) for one in metrics or CUSTOMARY[problem])
    try:
        if metric is not None:
            chosen = metrics_by(_as_class(metric), problem, class_rows.get("train", {}))
        check_scored_classes(chosen[0], class_rows)
    except DataError as error:
        raise DataError(f"task {name!r}: {error}") from None
    score = chosen[0]
    inputs = {key: split.inputs for key, split in splits.items()}
    leaked = leaked_rows(inputs)
    what = "image" if issubclass(kind, ImageTask) else "sequence" if residues else "text"
    remarks = [
        *unlabelled_notes,
        *(problem_notes(train.labels, problem) if asked is None else ()),
        *(class_notes(class_rows, metric=score.name) if classification else ()),
        *(() if classification else range_notes({key: split.labels for key, split in splits.items()})),
        *(rarer_class_notes(metric, class_rows["train"]) if metric and len(classes) == 2 else ()),
        *size_notes(splits["test"].labels),
        *overlap_notes(inputs, leaked, what),
        *(contradiction_notes(inputs["train"], labels.tolist(), what) if classification else ()),
    ]
    majority = int(np.bincount(labels).argmax()) if classification else 0
    task = kind(
        name=name,
        problem=problem,
        fingerprint=fingerprint_of(
            splits, classes, metric and _scored_by(score.name, class_rows), residues=residues
        ),
        metrics=chosen,
        chance=0.0,
        counts={key: len(split.labels) for key, split in splits.items()},
        classes=classes,
        majority=majority if score.positive_number is None else score.positive_number,
        mean=0.0 if classification else float(labels.mean()),
        deviation=1.0 if classification else float(labels.std()),
        class_counts=_total(class_rows, classes),
        class_rows=class_rows,
        leaked=leaked,
        residues=residues,
        columns=columns,
        notes=(*notes, *arranged.notes, *remarks),
        splits=splits,
    )
    test_labels = splits["test"].labels
    chance = float(score.compute(test_labels, task.constant_baseline(len(test_labels))))
    return task.with_chance(chance if np.isfinite(chance) else 0.0)


def _as_class(metric: str) -> str:
    """Write the class in a metric's name as classes are written: ``f1:1`` for ``f1:1.0``."""
    for prefix in OF_ONE_CLASS:
        if metric.startswith(prefix):
            return prefix + class_name(metric.removeprefix(prefix))
    return metric


def _scored_by(metric: str, class_rows: ClassRows) -> str:
    """Return what the fingerprint holds of a score that was chosen by name.

    Earlier versions averaged macro F1 over classes that a split lacks, if a method predicted them. So
    their scores of such data are no longer comparable.
    """
    if metric != "macro_f1":
        return metric
    lacks = any(not count for split in ("validation", "test") for count in class_rows[split].values())
    return f"{metric} over the classes of each split" if lacks else metric


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


def fingerprint_of(
    splits: Mapping[str, Labelled],
    classes: Sequence[str],
    metric: str | None,
    *,
    residues: bool = False,
) -> str:
    """Hash every input and label of the three splits, in order, and whether inputs are proteins.

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
    if residues:  # earlier versions read them as texts
        put("residues")
    return digest.hexdigest()
