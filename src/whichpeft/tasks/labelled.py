"""What tasks of texts and of images share: labelled splits, a classification head, a loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.splits import Input, subset

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One split: inputs, and labels of shape (n,): class numbers or values."""

    inputs: tuple[Input, ...]
    labels: Array


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledTask:
    """Inputs with a class or a quantity each; what an input is, the task of a modality knows.

    classes: their names, empty for regression. majority: number of train's most frequent class.
    mean, deviation: of train's labels; regression targets are standardised by them for the loss,
    and outputs are given back in the labels' units.
    notes: what a reader should know about how the splits came to be.
    splits: the examples; empty in `without_examples`.
    """

    name: str
    problem: str
    fingerprint: str
    metrics: tuple[Metric, ...]
    chance: float
    counts: Mapping[str, int]
    classes: tuple[str, ...]
    majority: int
    mean: float
    deviation: float
    notes: tuple[str, ...] = ()
    splits: Mapping[str, Labelled] = field(default_factory=dict, repr=False)

    @property
    def output_size(self) -> int:
        """Width of the head: the number of classes, or 1 for regression."""
        return len(self.classes) or 1

    def with_chance(self, chance: float) -> Self:
        return dataclasses.replace(self, chance=chance)

    def without_examples(self) -> Self:
        return dataclasses.replace(self, splits={})

    def cut_splits(self, max_train: int | None) -> dict[str, Labelled]:
        """Return the splits, train cut to the examples with the lowest hash of their content.

        Raises DataError where a class would be left without one.
        """
        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were taken out; load it again")
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
        """Return mean cross entropy, or mean squared error of standardised targets, in float32."""
        from torch.nn import functional

        logits = _logits(model, batch)
        if self.classes:
            return functional.cross_entropy(logits, batch["labels"])
        targets = (batch["labels"].float() - self.mean) / self.deviation
        return functional.mse_loss(logits[:, 0], targets)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return float32 logits of shape (n, classes), or values of shape (n, 1)."""
        logits = _logits(model, batch)
        return logits if self.classes else logits * self.deviation + self.mean

    def constant_baseline(self, count: int) -> Array:
        rows = np.zeros((count, self.output_size), dtype=np.float32)
        if self.classes:
            rows[:, self.majority] = 1
        else:
            rows[:] = self.mean
        return rows


def _logits(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    logits: torch.Tensor = model(**inputs).logits
    return logits.float()
