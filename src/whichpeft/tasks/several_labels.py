"""Texts with several labels each, or none: a yes or no for every label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.several import METRICS
from whichpeft.tasks.assemble import fingerprint_of
from whichpeft.tasks.labelled import Labelled, logits_of
from whichpeft.tasks.overlap import leaked_rows, overlap_notes
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.residues.alphabet import with_residues_read
from whichpeft.tasks.splits import Split, make_splits, subset
from whichpeft.tasks.tables.table import ColumnUse
from whichpeft.tasks.tables.values import shown
from whichpeft.tasks.text import TextTask
from whichpeft.units import join_words

if TYPE_CHECKING:
    import torch

_BETWEEN, _BEGIN = "\x1f", "\x1e"  # an example without a label is not one whose label is missing


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeveralLabelsTask(TextTask):
    """Texts or pairs of texts with any number of labels each.

    Labels have shape (n, labels), of 0 and 1; outputs are a logit per label.
    """

    usual: tuple[int, ...] = ()
    """Numbers of the labels that the constant baseline gives to each example."""

    def cut_splits(self, max_train: int | None) -> dict[str, Labelled]:
        """Return the splits, with train cut to the `max_train` examples of the lowest content hash."""
        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were removed; load the task again")
        splits = dict(self.splits)
        if max_train is not None:
            train = splits["train"]
            chosen = subset(train.inputs, None, max_train)
            splits["train"] = Labelled(tuple(train.inputs[i] for i in chosen), train.labels[chosen])
        return splits

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean binary cross entropy over examples and labels, in float32."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits_of(model, batch), batch["labels"])

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return float32 logits of shape (n, labels)."""
        return logits_of(model, batch)

    def dummy_batch(self, backbone: object, size: int, length: int) -> Batch:
        import torch

        batch = TextTask.dummy_batch(self, backbone, size, length)  # type: ignore[arg-type]
        return {**batch, "labels": torch.zeros(size, len(self.classes))}

    def constant_baseline(self, count: int) -> Array:
        return np.tile(_constant(len(self.classes), self.usual), (count, 1))


def joined(labels: Iterable[str]) -> str:
    """Write the labels of an example as one, for `Split`."""
    return _BEGIN + _BETWEEN.join(dict.fromkeys(labels))


def apart(label: object) -> list[str]:
    """Return the labels that `joined` wrote."""
    return [one for one in str(label).removeprefix(_BEGIN).split(_BETWEEN) if one]


def assemble_several(
    name: str,
    splits: Mapping[str, Split],
    *,
    metric: str | None = None,
    order: Sequence[str] = (),
    columns: ColumnUse | None = None,
    notes: Sequence[str] = (),
) -> SeveralLabelsTask:
    """Build a task from raw splits by role, whose labels are as `joined` writes them.

    `order` is how the source of the data orders the labels. Raises DataError if a split is empty, a
    label is missing in train, or each example has exactly one label.
    """
    splits, residues = with_residues_read(splits)
    train = splits["train"]
    if not len(train):
        raise DataError(f"{train.location}: contains no labelled examples; the split is empty")
    if all(len(apart(label)) == 1 for label in train.labels):
        raise DataError(
            f"{train.location}: each row has exactly one label, so this is plain classification; write "
            "the label as one value per row, and leave out --problem multilabel"
        )
    arranged = make_splits(
        train=train,
        validation=splits.get("validation"),
        dev=splits.get("dev"),
        test=splits.get("test"),
        classes=False,
    )
    final = {"train": arranged.train, "validation": arranged.validation, "test": arranged.test}
    known = {one for label in final["train"].labels for one in apart(label)}
    classes = tuple(one for one in order if one in known) or tuple(sorted(known))
    if len(classes) < 2:
        raise DataError(
            f"{train.location}: the only label is {', '.join(classes) or '(none)'}; several labels per "
            "example need at least two"
        )
    chosen = _metrics(name, metric)
    labelled = {key: Labelled(split.inputs, _matrix(split, classes)) for key, split in final.items()}
    rows = {
        key: dict(zip(classes, own.labels.sum(axis=0).astype(int).tolist(), strict=True))
        for key, own in labelled.items()
    }
    inputs = {key: split.inputs for key, split in final.items()}
    leaked = leaked_rows(inputs)
    overlaps = overlap_notes(inputs, leaked, "sequence" if residues else "text")
    digest = hashlib.sha256(fingerprint_of(labelled, (), chosen[0].name, residues=residues).encode())
    digest.update("\n".join(classes).encode())
    task = SeveralLabelsTask(
        name=name,
        problem="multilabel",
        fingerprint=digest.hexdigest(),
        metrics=chosen,
        chance=0.0,
        counts={key: len(split) for key, split in final.items()},
        classes=classes,
        majority=0,
        mean=0.0,
        deviation=1.0,
        class_counts={one: sum(own[one] for own in rows.values()) for one in classes},
        class_rows=rows,
        leaked=leaked,
        residues=residues,
        columns=columns,
        notes=(*notes, *arranged.notes, *overlaps),
        splits=labelled,
        usual=_best_constant(labelled["train"].labels, chosen[0]),
    )
    test = labelled["test"].labels
    return task.with_chance(float(chosen[0].compute(test, task.constant_baseline(len(test)))))


def _metrics(name: str, metric: str | None) -> tuple[Metric, ...]:
    if metric is not None and metric not in METRICS:
        fix = f"several labels per example are scored by {join_words(METRICS)}"
        raise DataError(f"task {name!r}: {unknown('metric', metric, METRICS, fix=fix)}")
    score = METRICS[metric or next(iter(METRICS))]
    return (score, *(one for one in METRICS.values() if one is not score))


def _matrix(split: Split, classes: Sequence[str]) -> Array:
    numbers = {one: number for number, one in enumerate(classes)}
    found = np.zeros((len(split), len(classes)), dtype=np.float32)
    for row, label in enumerate(split.labels):
        for one in apart(label):
            if one not in numbers:
                raise DataError(
                    f"{split.location}: example {row + 1} ({shown(split.inputs[row][0])}) has the label "
                    f"{one!r}, which no training example has; add one to the training set, or leave the "
                    "label out"
                )
            found[row, numbers[one]] = 1
    return found


def _best_constant(labels: Array, metric: Metric) -> tuple[int, ...]:
    """Return the labels that score best if each training example gets them: some most frequent ones."""
    frequent = np.argsort(-labels.sum(axis=0), kind="stable").tolist()
    options = [tuple(sorted(frequent[:count])) for count in range(1, len(frequent) + 1)]

    def score(usual: tuple[int, ...]) -> float:
        constant = np.tile(_constant(labels.shape[1], usual), (len(labels), 1))
        return float(metric.compute(labels, constant))

    return max(options, key=score)


def _constant(size: int, usual: Sequence[int]) -> Array:
    row = np.full(size, -1.0, dtype=np.float32)
    row[list(usual)] = 1.0
    return row
