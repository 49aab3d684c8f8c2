"""Hooks on a model's forward pass: what PEFT leaves out of the calls of an adapted model."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_Args = tuple[object, ...]
_Kwargs = dict[str, Any]  # of a forward pass: tensors, caches and switches


def add_task_ids(model: torch.nn.Module) -> None:
    """Add the task ids of a single task to every call of a module that routes by task."""
    import torch

    def add(module: torch.nn.Module, args: _Args, kwargs: _Kwargs) -> tuple[_Args, _Kwargs]:
        if kwargs.get("task_ids") is None:
            first = next(v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor))
            kwargs["task_ids"] = torch.zeros(len(first), dtype=torch.long, device=first.device)
        return args, kwargs

    model.register_forward_pre_hook(add, with_kwargs=True)


def skip_padding(model: PeftModel) -> None:
    """Add position ids that do not count padding.

    PEFT passes none, so the model would count the padding between virtual tokens and a prompt that is
    padded on the left: its answer would depend on the other examples of the batch.
    """
    base = model.get_base_model()
    if "position_ids" not in inspect.signature(base.forward).parameters:
        return  # it has no positions, or derives them from the mask

    def count(module: torch.nn.Module, args: _Args, kwargs: _Kwargs) -> tuple[_Args, _Kwargs]:
        mask = kwargs.get("attention_mask")
        read = kwargs.get("inputs_embeds")
        read = kwargs.get("input_ids") if read is None else read
        if (
            kwargs.get("position_ids") is None
            and read is not None
            and mask is not None
            and mask.dim() == 2
        ):
            places = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
            kwargs["position_ids"] = places[:, -read.shape[1] :]
        return args, kwargs

    base.register_forward_pre_hook(count, with_kwargs=True)


def keep_first_token_first(model: PeftModel, count: int) -> None:
    """Move the virtual tokens behind the first token.

    PEFT prepends them. An encoder's head, which pools the first position, would then read a virtual
    token instead of [CLS], and [CLS] would lose the position it was pretrained at.
    """
    import torch

    def reorder(module: torch.nn.Module, args: _Args, kwargs: _Kwargs) -> tuple[_Args, _Kwargs]:
        embeddings = kwargs.get("inputs_embeds")
        if embeddings is not None:
            virtual, first, rest = embeddings.split([count, 1, embeddings.shape[1] - count - 1], dim=1)
            # Mask and token types are the same for the first token and the virtual ones: all 1, all 0.
            kwargs["inputs_embeds"] = torch.cat([first, virtual, rest], dim=1)
        return args, kwargs

    model.base_model.register_forward_pre_hook(reorder, with_kwargs=True)
