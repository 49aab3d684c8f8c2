"""A backbone's linear weights in 8 or 4 bits, as transformers loads them with bitsandbytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BITS = {"8bit": 8, "4bit": 4}


def quantisation_config(quantise: str, kept: Sequence[str]) -> Any:
    """Return transformers' configuration of ``8bit`` or ``4bit``; needs bitsandbytes to be used.

    8 bits: LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339). 4 bits: NF4, its scales quantised once
    more, multiplied in bfloat16 (QLoRA, Dettmers et al. 2023, arXiv 2305.14314). kept: names of the
    modules that stay as they are.
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
