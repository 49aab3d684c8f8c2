"""What a model without weights consists of: numbers of parameters, tensors and bytes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from whichpeft.engine.model_setup import count_parameters
from whichpeft.planning import MetaModel

Layout = Mapping[str, int]
"""Numbers that grow by the same amount with each layer, if layers are alike and share nothing."""


def count(meta_model: MetaModel) -> dict[str, int]:
    """Return the numbers of parameters, named as in a record, and those of the backbone."""
    base = sum(size for name, size in meta_model.sizes.items() if name not in meta_model.head)
    counts = count_parameters(meta_model.adapter, meta_model.sizes, meta_model.head)
    return counts | {"base_parameters": base}


def lay_out(model: torch.nn.Module) -> dict[str, int]:
    """Return the numbers of tensors and the bytes of a model, shared ones counted once."""
    parameters = list(model.parameters())
    tensors = {id(tensor): tensor for tensor in (*parameters, *model.buffers())}.values()
    return {
        "tensors": len(tensors),
        "trained_tensors": sum(parameter.requires_grad for parameter in parameters),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
    }


def determines(low: tuple[int, Layout], high: tuple[int, Layout], whole: tuple[int, Layout]) -> bool:
    """Whether a straight line through the layouts of two depths leads to that of a third."""
    times = (whole[0] - low[0]) / (high[0] - low[0])
    return whole[1] == {name: n + times * (high[1][name] - n) for name, n in low[1].items()}
