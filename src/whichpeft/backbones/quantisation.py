"""Quantisation of a backbone's linear weights to 8 or 4 bits, by transformers and bitsandbytes."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.errors import BackboneError, StudyError

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig

BITS = {"8bit": 8, "4bit": 4}


def quantisation_config(quantise: str, kept: Sequence[str]) -> BitsAndBytesConfig:
    """Return transformers' configuration for ``8bit`` or ``4bit``; loading with it needs bitsandbytes.

    8 bits: LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339). 4 bits: NF4 with double quantisation of
    the scales, computed in bfloat16 (QLoRA, Dettmers et al. 2023, arXiv 2305.14314). The modules named
    in `kept` are not quantised.
    """
    import torch
    from transformers import BitsAndBytesConfig

    if quantise == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(kept))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=list(kept),
    )


def multiply_in(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Make 4-bit layers multiply in a type, and turn their weights back straight into it.

    A weight was quantised from float32, so bitsandbytes would turn it back into float32 and cast that:
    10 bytes a weight instead of 2, for the same bits.
    """
    for module in model.modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if state is not None:
            state.dtype = module.compute_dtype = dtype


def check_quantising(quantise: str | None, device: str) -> None:
    """Raise StudyError if a backbone cannot be quantised on a device."""
    if quantise is None:
        return
    if not device.startswith("cuda"):
        raise StudyError(
            f"quantise {quantise}: needs a CUDA device, and this would run on {device}; leave quantise "
            "out, or save memory with --gradient-checkpointing and --micro-batch"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise StudyError(
            f"quantise {quantise}: needs bitsandbytes; install it: pip install 'whichpeft[quantised]'"
        )


def check_unquantised(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise BackboneError if a backbone's weights are stored quantised."""
    found = config.get("quantization_config") or config.get("compression_config")
    if found:
        how = found.get("quant_method", "") if isinstance(found, dict) else ""
        raise BackboneError(
            f"{folder / 'config.json'}: says that the weights are stored quantised"
            f"{f' ({how})' if how else ''}, which methods cannot be compared on; give the model's "
            "original weights, and quantise them with --quantise"
        )


def parameter_size(parameter: torch.nn.Parameter) -> int:
    """Return how many weights a parameter stands for; a quantised one packs several into a byte."""
    state = getattr(parameter, "quant_state", None)
    return int(parameter.numel()) if state is None else math.prod(state.shape)
