"""The common part of text and image tasks: labelled splits, a classification head, a loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.protocol import Batch, Excerpt
from whichpeft.tasks.splits import Input, subset
from whichpeft.tasks.tables.table import ColumnUse

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One split with its labels."""

    inputs: tuple[Input, ...]
    """What a model reads of each example."""
    labels: Array
    """Class numbers or values, shape (n,)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledTask:
    """Inputs with a class or a value each. The subclass for a modality defines what an input is."""

    name: str
    """Name in reports and records."""
    problem: str
    """``classification`` or ``regression``."""
    fingerprint: str
    """Hash of all examples and labels."""
    metrics: tuple[Metric, ...]
    """Metrics to record; the first one is the score."""
    chance: float
    """Test score of the constant baseline."""
    counts: Mapping[str, int]
    """Number of examples per split."""
    classes: tuple[str, ...]
    """Names of the classes; empty for regression."""
    majority: int
    """Number of the class that the constant baseline predicts.

    It is the most frequent class in train; for F1 of one class it is that class, because always
    predicting another one scores 0.
    """
    mean: float
    """Mean of train's labels; 0 for classification.

    Regression targets are standardised with `mean` and `deviation` for the loss, and outputs are
    converted back to the units of the labels.
    """
    deviation: float
    """Standard deviation of train's labels; 1 for classification."""
    class_counts: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of each class in all splits together; empty for regression."""
    class_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of examples of each class by split; empty without classes."""
    leaked: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of validation and of test whose input is also in train, by split."""
    residues: bool = False
    """Whether the inputs are proteins, with a letter per residue, or pairs of them."""
    columns: ColumnUse | None = None
    """What the columns of the data are used for; None if the data do not come from a table."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the data were read, one line per fact."""
    splits: Mapping[str, Labelled] = field(default_factory=dict, repr=False)
    """The examples; empty after `without_examples`."""

    @property
    def output_size(self) -> int:
        """Width of the head: the number of classes, or 1 for regression."""
        return len(self.classes) or 1

    def with_chance(self, chance: float) -> Self:
        return dataclasses.replace(self, chance=chance)

    def without_examples(self) -> Self:
        return dataclasses.replace(self, splits={})

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return the texts of some examples."""
        inputs = self.splits[split].inputs
        return [Excerpt(inputs=inputs[place]) for place in places]

    def cut_splits(self, max_train: int | None) -> dict[str, Labelled]:
        """Return the splits, with train cut to the `max_train` examples of the lowest content hash.

        Raises DataError if a class would be left without a training example.
        """
        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were removed; load the task again")
        splits = dict(self.splits)
        if max_train is not None:
            train = splits["train"]
            labels = train.labels.tolist() if self.classes else None
            try:
                chosen = subset(train.inputs, labels, max_train)
            except DataError as error:
                raise DataError(f"task {self.name!r}: {error}") from None
            splits["train"] = Labelled(tuple(train.inputs[i] for i in chosen), train.labels[chosen])
        return splits

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        from whichpeft.tasks.classifier import head_parameters

        return head_parameters(model)

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy, or mean squared error of standardised targets, in float32."""
        from torch.nn import functional

        logits = logits_of(model, batch)
        if self.classes:
            return functional.cross_entropy(logits, batch["labels"])
        targets = (batch["labels"].float() - self.mean) / self.deviation
        return functional.mse_loss(logits[:, 0], targets)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return float32 logits of shape (n, classes), or values of shape (n, 1)."""
        logits = logits_of(model, batch)
        return logits if self.classes else logits * self.deviation + self.mean

    def constant_baseline(self, count: int) -> Array:
        rows = np.zeros((count, self.output_size), dtype=np.float32)
        if self.classes:
            rows[:, self.majority] = 1
        else:
            rows[:] = self.mean
        return rows


def logits_of(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the float32 logits of a classifier on a batch."""
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    logits: torch.Tensor = model(**inputs).logits
    return logits.float()
