"""Published measurements to stand beside, as their sources state them (read in November 2026)."""

from __future__ import annotations

PEFT_SUITE = {
    "full": 2316,
    "lora": 7174,
    "rslora": 7045,
    "dora": 5941,
    "prefix": 7897,
    "ln-tuning": 7966,
    "ia3": 7308,
    "miss": 7479,
    "oft": 5700,
    "adalora": 5891,
    "vera": 6726,
    "c3a": 5588,
}
"""Training tokens per second in HF PEFT's MetaMathQA suite, by method.

Llama-3.2-3B in bfloat16, batches of 4, 4,198,051 tokens in 20,000 examples, on an NVIDIA L40S with torch
2.13.0+cu130, transformers 5.13.1 and peft 0.19.2.dev0. Computed from the suite's result files, without
evaluation.
"""

PEFT_METHODS = {
    "lora": "lora:r=32",
    "rslora": "rslora:r=64",
    "dora": "dora:r=32",
    "prefix": "prefix:num_virtual_tokens=50",
    "adalora": "adalora:init_r=32",
    "oft": "oft:oft_block_size=32",
}
"""How whichpeft writes the suite's methods; the others have the names of `PEFT_SUITE`."""

NEMO_TOKENS_PER_SECOND = 12_473
"""LoRA on Llama-3.1-8B in NVIDIA's NeMo AutoModel, on one H100, in bfloat16.

Rank 16 on all linear layers of the decoder, full texts of 4,096 tokens, micro-batches of 2, batches of
32, no clipping. From docs/performance-summary.mdx of NeMo AutoModel, which counts 402 TFLOP/s.
"""
