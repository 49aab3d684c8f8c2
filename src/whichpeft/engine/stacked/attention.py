"""Attention under `torch.vmap`: folds trials and examples into one batch for the usual kernels.

The fused CPU kernels have no vmap rule, so vmap would call them once per trial. Their masks are skipped
if all inputs are equally long, which code under vmap cannot find out. Both are replaced through
transformers' registers of attention functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from torch._functorch.autograd_function import VmapInfo
    from torch.autograd.function import FunctionCtx
    from transformers import PreTrainedConfig

_Attention = Callable[..., tuple[torch.Tensor, None]]

_FOLDED = "whichpeft_folded"


def fold_attention(model: torch.nn.Module) -> None:
    """Make a transformers model with fused attention run under vmap, in place.

    Models with other kinds of attention stay as they are: eager attention runs under vmap already.
    """
    AttentionInterface.register(_FOLDED, _attend)
    AttentionMaskInterface.register(_FOLDED, _mask)
    for module in model.modules():
        config: PreTrainedConfig | None = getattr(module, "config", None)
        if config is not None and getattr(config, "_attn_implementation", None) == "sdpa":
            config._attn_implementation = _FOLDED


def _mask(*args: object, **kwargs: object) -> torch.Tensor | None:
    """Always make the mask, without inspecting its content."""
    return sdpa_mask(
        *args, **(kwargs | {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})
    )


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    if any(isinstance(given, torch.Tensor) for given in kwargs.values()):
        # Tensors such as a position bias have their own shapes, so vmap handles them trial by trial.
        attended: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **kwargs
        )
        return attended
    attend = partial(sdpa_attention_forward, module, **kwargs)
    return _Folded.apply(attend, query, key, value, attention_mask), None


class _Folded(torch.autograd.Function):  # type: ignore[misc]
    """Attention whose vmap rule folds the trials into the batch."""

    @staticmethod
    def forward(attend: _Attention, *tensors: torch.Tensor | None) -> torch.Tensor:
        output: torch.Tensor = attend(*tensors)[0]
        return output

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[object, ...], output: torch.Tensor) -> None:
        """Do nothing: under vmap, autograd follows the calls of the vmap rule."""

    @staticmethod
    def vmap(
        info: VmapInfo,
        in_dims: tuple[int | None, ...],
        attend: _Attention,
        *tensors: torch.Tensor | None,
    ) -> tuple[torch.Tensor, int]:
        folded = [
            None if tensor is None else _fold(tensor, dim, info.batch_size)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        output: torch.Tensor = attend(*folded)[0]
        return output.unflatten(0, (info.batch_size, -1)), 0


def _fold(tensor: torch.Tensor, dim: int | None, trials: int) -> torch.Tensor:
    stacked = tensor.expand(trials, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return stacked.flatten(0, 1)
