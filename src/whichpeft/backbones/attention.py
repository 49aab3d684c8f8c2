"""Which implementation of attention a backbone computes with, and what each needs."""

from __future__ import annotations

import importlib.util

from whichpeft.backbones.backbone import FLASH, Backbone
from whichpeft.errors import BackboneError, StudyError

# What a model class of transformers says of itself; every model has eager attention.
_SUPPORTED = {"sdpa": "_supports_sdpa", FLASH: "_supports_flash_attn"}


def check_attention(attention: str, device: str, precision: str) -> None:
    """Raise StudyError if a device cannot compute attention as a study asks."""
    if attention != FLASH:
        return
    if not device.startswith("cuda"):
        raise StudyError(
            f"attention {FLASH}: needs a CUDA device, and this would run on {device}; use attention auto"
        )
    if precision == "float32":
        raise StudyError(
            f"attention {FLASH}: computes in bfloat16 or float16, and this would run in float32; use "
            "attention auto"
        )
    if importlib.util.find_spec("flash_attn") is None:
        raise StudyError(f"attention {FLASH}: needs flash-attn; install it: pip install flash-attn")


def check_has_attention(backbone: Backbone) -> None:
    """Raise BackboneError if transformers does not have the backbone's attention for its family."""
    supported = _SUPPORTED.get(backbone.attention)
    if supported is None:
        return
    from transformers import MODEL_MAPPING

    config = type(backbone.architecture())
    if config in MODEL_MAPPING and not getattr(MODEL_MAPPING[config], supported, False):
        raise BackboneError(
            f"backbone {backbone.name!r}: transformers has no {backbone.attention} attention for "
            f"{backbone.family} models; use attention auto or eager"
        )
