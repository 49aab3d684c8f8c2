"""Quantisation of a backbone's linear weights to 8 or 4 bits, by transformers and bitsandbytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BITS = {"8bit": 8, "4bit": 4}


def quantisation_config(quantise: str, kept: Sequence[str]) -> Any:
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
