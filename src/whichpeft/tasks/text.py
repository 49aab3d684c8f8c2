"""Text tasks: single sentences and pairs, classification and regression."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.tasks.protocol import Array, Batch, Examples, Metric
from whichpeft.tasks.splits import subset

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTexts:
    """One split: texts of one string or two, and labels of shape (n,): class numbers or values."""

    texts: tuple[tuple[str, ...], ...]
    labels: Array


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextTask:
    """Sentences or pairs of sentences with a class or a quantity each.

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
    splits: Mapping[str, LabelledTexts] = field(default_factory=dict, repr=False)

    @property
    def task_type(self) -> str:
        return "SEQ_CLS"

    @property
    def output_size(self) -> int:
        """Width of the head: the number of classes, or 1 for regression."""
        return len(self.classes) or 1

    def with_chance(self, chance: float) -> TextTask:
        return dataclasses.replace(self, chance=chance)

    def without_examples(self) -> TextTask:
        return dataclasses.replace(self, splits={})

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        `max_train` keeps the training examples with the lowest hash of their content. Raises
        DataError where a class would be left without one, BackboneError where the backbone has no
        tokenizer that can be read.
        """
        from whichpeft.tasks.encoding import encode_texts, load_tokenizer

        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were taken out; load it again")
        splits = dict(self.splits)
        if max_train is not None:
            train = splits["train"]
            labels = train.labels.tolist() if self.classes else None
            try:
                chosen = subset(train.texts, labels, max_train)
            except DataError as error:
                raise DataError(f"task {self.name!r}: {error}") from None
            splits["train"] = LabelledTexts(tuple(train.texts[i] for i in chosen), train.labels[chosen])
        tokenizer = load_tokenizer(backbone)
        return {
            key: encode_texts(split.texts, split.labels, tokenizer, backbone)
            for key, split in splits.items()
        }

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.head import build_classifier

        return build_classifier(backbone, classes=self.classes)

    def sketch(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.head import sketch_classifier

        return sketch_classifier(backbone, classes=self.classes)

    def blank(self, backbone: Backbone, size: int, length: int) -> Batch:
        import torch

        # No mask, which is what a model makes of one that masks nothing, and its content is not read.
        return {
            "input_ids": torch.ones((size, length), dtype=torch.int64),
            "labels": torch.zeros(size, dtype=torch.int64 if self.classes else torch.float32),
        }

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        from whichpeft.tasks.head import head_parameters

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

    def constant(self, count: int) -> Array:
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
