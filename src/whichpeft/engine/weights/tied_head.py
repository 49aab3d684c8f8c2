"""The head of a language model that shares its weights with the embedding, which stays in float32.

Autocast keeps casts of trained weights only. It would cast a frozen head of 128,000 tokens again in
every pass, and so for every token that is written.
"""

from __future__ import annotations

import torch


def keep_cast_heads(model: torch.nn.Module, precision: str) -> None:
    """Give every frozen linear layer that shares an embedding's weights a copy to multiply by.

    Products stay the same bit by bit. The copy takes as much memory as autocast's cast at a peak.
    """
    if precision == "float32":
        return
    embeddings = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    shared = {id(embedding.weight) for embedding in embeddings if not embedding.weight.requires_grad}
    for module in model.modules():
        if type(module) in (torch.nn.Linear, _CastHead) and id(module.weight) in shared:
            module.cast = torch.nn.Parameter(
                module.weight.detach().to(getattr(torch, precision)), requires_grad=False
            )
            module.__class__ = _CastHead


class _CastHead(torch.nn.Linear):  # type: ignore[misc]
    cast: torch.nn.Parameter
    """The weight in the precision of the products. Shared uses of the weight itself stay visible."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = torch.is_autocast_enabled(x.device.type)
        return torch.nn.functional.linear(x, self.cast if narrow else self.weight, self.bias)
