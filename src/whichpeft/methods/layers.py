"""Finds a model's layers and blocks by the module names of the model families.

The names are those of transformers 5; the tests build each family and check them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.methods.targets import linear_modules

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

# The end of an attention block: its output projection.
ATTENTION_ENDS = (
    "attention.output.dense", "crossattention.output.dense",  # BERT, RoBERTa, ELECTRA, ESM, DeBERTa
    "attention.out_lin",  # DistilBERT
    "attention.dense",  # ALBERT, GPT-NeoX
    "self_attention.dense",  # BLOOM
    "self_attn.o_proj",  # LLaMA, Mistral, Qwen, Gemma, Phi-3
    "attention.o_proj",  # ViT, DeiT, DINOv2, BEiT, Swin
    "attn.c_proj", "crossattention.c_proj",  # GPT-2
    "SelfAttention.o", "EncDecAttention.o",  # T5
    "self_attn.out_proj", "encoder_attn.out_proj",  # BART, Whisper, OPT, CLIP
    "attention.out_proj",  # wav2vec2, HuBERT
    "attn.Wo",  # ModernBERT
)  # fmt: skip

# The end of a feed-forward block: its last projection.
FEED_FORWARD_ENDS = (
    "output.dense", "ffn.lin2", "ffn_output", "mlp.dense_4h_to_h", "mlp.down_proj", "mlp.fc2",
    "mlp.c_proj", "DenseReluDense.wo", "fc2", "feed_forward.output_dense", "mlp.Wo",
)  # fmt: skip

# The start of a feed-forward block: the projection to the inner width (not the gate).
FEED_FORWARD_STARTS = (
    "intermediate.dense", "ffn.lin1", "ffn", "mlp.dense_h_to_4h", "mlp.up_proj", "mlp.gate_up_proj",
    "mlp.fc1", "mlp.c_fc", "DenseReluDense.wi", "DenseReluDense.wi_1", "fc1",
    "feed_forward.intermediate_dense", "mlp.Wi",
)  # fmt: skip

# Names of the list of layers.
_LAYER_LISTS = frozenset({"layer", "layers", "h", "block", "blocks", "albert_layer_groups"})


def attention_ends(model: torch.nn.Module) -> list[str]:
    """Return the names of the modules that end an attention block, in the model's order."""
    return [name for name in linear_modules(model) if _ends(name, ATTENTION_ENDS)]


def feed_forward_ends(model: torch.nn.Module) -> list[str]:
    """Return the names of the modules that end a feed-forward block, in the model's order."""
    # The name of BERT's attention.output.dense also ends with output.dense, its feed-forward's.
    return [
        name
        for name in linear_modules(model)
        if _ends(name, FEED_FORWARD_ENDS) and not _ends(name, ATTENTION_ENDS)
    ]


def feed_forward_modules(model: torch.nn.Module) -> list[str]:
    """Return the names of the modules that begin or end a feed-forward block."""
    ends = feed_forward_ends(model)
    return [n for n in linear_modules(model) if _ends(n, FEED_FORWARD_STARTS) or n in ends]


def layer_lists(model: torch.nn.Module) -> list[tuple[str, torch.nn.ModuleList]]:
    """Return the lists of equal layers with their names: one list, or encoder and decoder.

    Lists inside a layer, such as the experts of a mixture, are left out.
    """
    import torch

    found: list[tuple[str, torch.nn.ModuleList]] = []
    for name, module in model.named_modules():
        if type(module) is not torch.nn.ModuleList or not len(module):
            continue
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        alike = len({type(layer) for layer in module}) == 1
        if name.rpartition(".")[2] in _LAYER_LISTS and alike and not inside:
            found.append((name, module))
    return found


def all_layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers of all lists."""
    return [layer for _, layers in layer_lists(model) for layer in layers]


def bare_model(backbone: Backbone) -> torch.nn.Module:
    """Return the backbone without weights, to look at the names of its modules."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        model: torch.nn.Module = AutoModel.from_config(backbone.architecture())
    return model


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)
