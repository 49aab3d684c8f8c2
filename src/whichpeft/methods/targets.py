"""Which modules the methods that target modules share, so that they differ in how and not where."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# What makes queries, keys and values, under the names that model families give it.
ATTENTION_PROJECTIONS = frozenset(
    {
        "query", "key", "value",  # BERT, RoBERTa, ELECTRA, ViT
        "q_proj", "k_proj", "v_proj", "qkv_proj",  # LLaMA, Mistral, OPT, BART, Phi-3
        "q_lin", "k_lin", "v_lin",  # DistilBERT, XLM
        "query_proj", "key_proj", "value_proj",  # DeBERTa-v2
        "query_key_value",  # GPT-NeoX, BLOOM, Falcon
        "c_attn",  # GPT-2
        "Wqkv",  # ModernBERT, MPT
        "qkv",  # timm, Swin
        "q", "k", "v",  # T5
    }
)  # fmt: skip


def shared_targets(model: torch.nn.Module, head: frozenset[str]) -> list[str]:
    """Return the leaf names of the modules that make queries, keys and values.

    Where the architecture's names are unknown, all linear layers outside the head.
    """
    outside = new_modules(head)
    linear = [
        name
        for name in linear_modules(model)
        if not any(name == new or name.startswith(f"{new}.") for new in outside)
    ]
    leaves = {name.rpartition(".")[2] for name in linear}
    attention = sorted(leaves & ATTENTION_PROJECTIONS)
    return attention or sorted(linear)


def new_modules(head: frozenset[str]) -> list[str]:
    """Return the names of the modules that hold the head's parameters."""
    return sorted({name.rpartition(".")[0] for name in head})


def linear_modules(model: torch.nn.Module) -> list[str]:
    """Return the names of the linear modules; one that an adapter wraps goes by its own name."""
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer
    from transformers.pytorch_utils import Conv1D

    wrapped: list[str] = []
    found = []
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in wrapped):
            continue
        inner = module
        if isinstance(module, BaseTunerLayer):
            wrapped.append(name)
            inner = module.get_base_layer()
        if isinstance(inner, (torch.nn.Linear, Conv1D)):
            found.append(name)
    return found
