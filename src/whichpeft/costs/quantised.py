"""Linear layers that use as much memory as quantised ones, in a step on tensors without content.

bitsandbytes stores a weight in 8 or 4 bits, with scales, and converts it back to the precision of the
multiplication each time it is used, forward and backward.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch.autograd.function import FunctionCtx

from whichpeft.backbones.quantisation import BITS

_BLOCK = 64  # weights that share a scale in 4 bits
_SCALES = 256  # scales that share a scale of their own
_TABLES = 4 * (256 + 16)  # bytes of the code tables of weights and scales


def quantise_frozen(model: torch.nn.Module, quantise: str, kept: Collection[str]) -> None:
    """Turn the frozen linear weights of a model on the meta device into quantised ones, in place.

    Parameters
    ----------
    kept
        Names of modules that stay as they are; each matches the end of a module's full name.
    """
    for name, module in model.named_modules():
        plain = type(module) is torch.nn.Linear and not module.weight.requires_grad
        outer = name.replace(".base_layer", "").replace(".original_module", "")
        if plain and not any(outer == key or outer.endswith(f".{key}") for key in kept):
            size = torch.empty(
                quantised_bytes(module.weight.shape, quantise), dtype=torch.uint8, device="meta"
            )
            module.weight = torch.nn.Parameter(size, requires_grad=False)
            module.__class__ = _Quantised


def quantised_bytes(shape: torch.Size, quantise: str) -> int:
    """Return the bytes of a weight of shape (out, in): its values, its scales and their tables."""
    count = int(shape.numel())
    if BITS[quantise] == 8:
        return count + 4 * int(shape[0])
    scales = -(-count // _BLOCK)
    return -(-count // 2) + scales + 4 * -(-scales // _SCALES) + _TABLES


class _Quantised(torch.nn.Linear):  # type: ignore[misc]
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (self.out_features, self.in_features)
        found: torch.Tensor = _Multiply.apply(x.to(torch.bfloat16), self.weight, self.bias, shape)
        return found.to(x.dtype)


class _Multiply(torch.autograd.Function):  # type: ignore[misc]
    """Multiplies x by a weight that is dequantised again in each pass and kept in neither."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: torch.Tensor,
        packed: torch.Tensor,
        bias: torch.Tensor | None,
        shape: tuple[int, int],
    ) -> torch.Tensor:
        ctx.save_for_backward(packed)
        ctx.shape = shape
        weight = torch.empty(shape, dtype=x.dtype, device=x.device)
        return torch.nn.functional.linear(x, weight, None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weight = torch.empty(ctx.shape, dtype=grad.dtype, device=grad.device)
        summed = grad.flatten(0, -2).sum(0).float() if ctx.needs_input_grad[2] else None
        return grad @ weight, None, summed, None
