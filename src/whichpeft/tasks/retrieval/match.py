"""Pairs that match or do not: one backbone encodes both texts apart, and their similarity decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.protocol import Batch, Examples
from whichpeft.tasks.retrieval.two_texts import SCALE, TwoTexts, embeddings, query_share
from whichpeft.tasks.text import TextTask

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

THRESHOLD = 0.5
"""The cosine from which on two texts match."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchTask(TwoTexts, LabelledTask):
    """Pairs of texts with one of two classes: they match (class 1), or not.

    A model that reads both texts at once has to learn first how to compare them, which takes more
    examples than a small task has. Encoded apart (Reimers and Gurevych 2019, arXiv:1908.10084), what a
    backbone knows about similar texts serves from the start.
    """

    query_share: float = 0.5
    """Share of the first texts in the characters of train, from which costs are planned."""

    task_type = "FEATURE_EXTRACTION"

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        `max_train` keeps the training pairs with the lowest content hash. Raises DataError if a class
        would be left without a training pair, and BackboneError if the backbone does not encode texts,
        or its tokenizer cannot be loaded.
        """
        from whichpeft.tasks.retrieval.encoder import check_encodes
        from whichpeft.tasks.retrieval.encoding import encode_pairs
        from whichpeft.tasks.text_encoding import load_tokenizer

        splits = self.cut_splits(max_train)
        check_encodes(backbone)
        tokenizer = load_tokenizer(backbone)
        return {
            key: encode_pairs(
                split.inputs, split.labels, tokenizer, backbone, f"task {self.name!r} [{key}]"
            )
            for key, split in splits.items()
        }

    def constant_baseline(self, count: int) -> None:  # type: ignore[override]
        """Return None: without training the pretrained model answers."""

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy, in float32."""
        from torch.nn import functional

        return functional.cross_entropy(self.outputs(model, batch), batch["labels"])

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return float32 logits of both classes, shape (n, 2); that of class 0 is always 0."""
        import torch

        first, second = embeddings(model, batch)
        logits = SCALE * ((first * second).sum(dim=1) - THRESHOLD)
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def encoded_apart(task: TextTask) -> MatchTask:
    """Return a task of pairs with two classes as one whose texts are encoded apart."""
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    return MatchTask(
        **fields | {"fingerprint": f"{task.fingerprint}-apart"},
        query_share=query_share(task.splits["train"].inputs),
    )
