"""Queries and their documents as a backbone reads them: two texts per example, each on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.metrics.metric import Array
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.ragged import take_rows
from whichpeft.tasks.text_encoding import TextExamples, encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from whichpeft.backbones import Backbone


def _none() -> Array:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalExamples(TextExamples):
    """One split: its own tokens are those of the queries."""

    document_ids: Array = field(default_factory=_none)
    """Token ids of all documents in a row."""
    document_offsets: Array = field(default_factory=_none)
    """Start of each document in `document_ids`, and the end of the last; shape (n + 1,)."""

    @property
    def sizes(self) -> Array:
        return self.tokens

    @property
    def tokens(self) -> Array:
        """Tokens of each query and its document together."""
        found: Array = np.diff(self.offsets) + np.diff(self.document_offsets)
        return found

    def take(self, indices: Array) -> RetrievalExamples:
        """Return some examples of the split, in the given order."""
        ids, offsets = take_rows(self.document_ids, self.document_offsets, indices)
        taken = TextExamples.take(self, indices)
        assert isinstance(taken, RetrievalExamples)
        return replace(taken, document_ids=ids, document_offsets=offsets)

    def batch(self, indices: Array) -> Batch:
        """Return the ids and masks of queries and of documents, each padded to the longest."""
        queries = TextExamples.batch(self, indices)
        documents = TextExamples.batch(
            replace(self, ids=self.document_ids, offsets=self.document_offsets), indices
        )
        return {
            "query_ids": queries["input_ids"],
            "query_mask": queries["attention_mask"],
            "document_ids": documents["input_ids"],
            "document_mask": documents["attention_mask"],
            "labels": queries["labels"],
        }


def encode_pairs(
    pairs: Sequence[tuple[str, ...]],
    labels: Array,
    tokenizer: PreTrainedTokenizerBase,
    backbone: Backbone,
    location: str,
) -> RetrievalExamples:
    """Tokenise queries and documents, each cut to the length cap.

    Raises DataError, which begins with `location`, if the tokenizer cannot read a text.
    """
    queries, documents = (
        encode_texts([(pair[side],) for pair in pairs], labels, tokenizer, backbone, location)
        for side in (0, 1)
    )
    return RetrievalExamples(
        ids=queries.ids,
        offsets=queries.offsets,
        types=None,  # a single text has one type, which models take by default
        labels=labels,
        pad=queries.pad,
        uncut=np.maximum(queries.uncut, documents.uncut),
        cap=queries.cap,
        alike=queries.alike + documents.alike,
        as_text=queries.as_text + documents.as_text,
        special_strings=tuple(sorted({*queries.special_strings, *documents.special_strings})),
        pads_left=queries.pads_left,
        unknown=queries.unknown + documents.unknown,
        words=queries.words + documents.words if queries.words and documents.words else 0,
        pieces=queries.pieces + documents.pieces,
        document_ids=documents.ids,
        document_offsets=documents.offsets,
    )
