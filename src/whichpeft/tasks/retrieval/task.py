"""Retrieval: one backbone encodes queries and documents, and each query looks for its document."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.ranking import reciprocal_ranks
from whichpeft.tasks.protocol import Batch, Examples, Excerpt
from whichpeft.tasks.retrieval.two_texts import SCALE, TwoTexts, embeddings
from whichpeft.tasks.splits import Input, subset
from whichpeft.tasks.tables.table import ColumnUse

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RetrievalTask(TwoTexts):
    """Queries with a document each; all documents of a split are the candidates of its queries.

    There is no head: the similarity of two embeddings is the cosine of their angle. Training contrasts
    the document of a query with the other documents of the batch (van den Oord et al. 2018,
    arXiv:1807.03748).
    """

    name: str
    """Name in reports and records."""
    fingerprint: str
    """Hash of all queries and documents."""
    metrics: tuple[Metric, ...]
    """Metrics to record; the first one is the score."""
    chance: float
    """Mean score of candidates in random order."""
    counts: Mapping[str, int]
    """Number of queries per split."""
    query_share: float
    """Share of the queries in the characters of train, from which costs are planned."""
    class_counts: Mapping[str, int] = field(default_factory=dict)
    """Empty: there are no classes."""
    class_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Empty: there are no classes."""
    leaked: Mapping[str, int] = field(default_factory=dict)
    """Number of pairs of validation and of test that are also in train, by split."""
    columns: ColumnUse | None = None
    """What the columns of the data are used for; None if the data do not come from a table."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the data were read, one line per fact."""
    splits: Mapping[str, tuple[Input, ...]] = field(default_factory=dict, repr=False)
    """The queries with their documents; empty after `without_examples`."""

    problem = "retrieval"
    task_type = "FEATURE_EXTRACTION"
    groups = ("",)

    def without_examples(self) -> RetrievalTask:
        return dataclasses.replace(self, splits={})

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return some queries with their documents."""
        return [Excerpt(inputs=self.splits[split][place]) for place in places]

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the splits with the backbone's own tokenizer.

        `max_train` keeps the training pairs with the lowest content hash. Raises BackboneError if the
        backbone does not encode texts, or its tokenizer cannot be loaded.
        """
        from whichpeft.tasks.retrieval.encoder import check_encodes
        from whichpeft.tasks.retrieval.encoding import encode_pairs
        from whichpeft.tasks.text_encoding import load_tokenizer

        if not self.splits:
            raise DataError(f"task {self.name!r}: its examples were removed; load the task again")
        check_encodes(backbone)
        tokenizer = load_tokenizer(backbone)
        splits = dict(self.splits)
        if max_train is not None:
            splits["train"] = tuple(splits["train"][i] for i in subset(splits["train"], None, max_train))
        return {
            key: encode_pairs(
                pairs, np.arange(len(pairs)), tokenizer, backbone, f"task {self.name!r} [{key}]"
            )
            for key, pairs in splits.items()
        }

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean cross entropy of each query's document among those of the batch."""
        import torch
        from torch.nn import functional

        queries, documents = embeddings(model, batch)
        scores = SCALE * queries @ documents.T
        return functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the embedding of each query and of its document, shape (n, twice the width)."""
        import torch

        return torch.cat(embeddings(model, batch), dim=1)

    def constant_baseline(self, count: int) -> None:
        """Return None: without training the pretrained model answers."""

    def predictions(
        self, outputs: Array, examples: object, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Rank the documents of a split for each of its queries.

        ``outputs`` then holds the reciprocal rank of the right document and its log-likelihood among
        all documents, shape (n, 2).
        """
        queries, documents = np.split(outputs.astype(np.float64), 2, axis=1)
        scores = SCALE * queries @ documents.T
        highest = scores.max(axis=1, keepdims=True)
        whole = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
        found = np.stack([reciprocal_ranks(scores), np.diag(scores) - whole], axis=1)
        return {"outputs": found.astype(np.float32)}
