"""What tasks of two texts that one backbone encodes apart have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.splits import Input

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit

SCALE = 20.0
"""What similarities are multiplied by before the loss, as sentence-transformers does by default."""

_LEAST_TOKENS = 2


class TwoTexts:
    """The model of such a task: the body of a backbone, without a head."""

    __slots__ = ()

    query_share: float
    """Share of the first texts in the characters of train, from which costs are planned."""

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.retrieval.encoder import build_encoder

        return build_encoder(backbone)

    def compare_weights(self, backbone: Backbone) -> Fit:
        from whichpeft.tasks.retrieval.encoder import compare_encoder

        return compare_encoder(backbone)

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.retrieval.encoder import build_encoder_on_meta

        return build_encoder_on_meta(backbone)

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        """Return pairs of texts that have `length` tokens together."""
        import torch

        from whichpeft.tasks.text_encoding import made_up_ids

        query = max(_LEAST_TOKENS, round(length * self.query_share))
        document = max(_LEAST_TOKENS, length - query)
        return {
            "query_ids": made_up_ids(backbone, size, query),
            "document_ids": made_up_ids(backbone, size, document),
            "labels": torch.zeros(size, dtype=torch.int64),
        }

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        """Return an empty set: similarities are compared without a head."""
        return set()


def embeddings(model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the embeddings of the first and of the second texts of a batch."""
    from whichpeft.tasks.retrieval.encoder import embed

    return (
        embed(model, batch["query_ids"], batch.get("query_mask")),
        embed(model, batch["document_ids"], batch.get("document_mask")),
    )


def query_share(pairs: Sequence[Input]) -> float:
    """Return the share of the first texts in the characters of all pairs."""
    queries, documents = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    return queries / (queries + documents)
