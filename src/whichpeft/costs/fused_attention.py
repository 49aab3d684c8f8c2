"""Makes a step that is traced on a CPU keep what the fused attention of an NVIDIA GPU keeps.

A GPU draws the dropout of attention again in the backward pass. A CPU has fused attention only without
dropout; with it, it keeps every probability.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch.nn import functional


@contextlib.contextmanager
def fused_attention() -> Iterator[None]:
    """Compute attention without dropout, which leaves shapes, and the kernel that a CPU chooses."""
    plain = functional.scaled_dot_product_attention

    def attention(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        **options: Any,
    ) -> torch.Tensor:
        found: torch.Tensor = plain(query, key, value, attn_mask, 0.0, **options)
        return found

    with mock.patch.object(functional, "scaled_dot_product_attention", attention):
        yield
