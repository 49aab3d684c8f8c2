"""How many rows a GPU has memory for in evaluation."""

from __future__ import annotations

import torch

_LOGIT_BYTES = 10  # of one logit as it is computed, in float32, and as a log-probability
_SHARE = 0.5  # of the free memory; the rest is for what is not counted here


def rows_in_memory(
    model: torch.nn.Module, device: torch.device, *, logits: int, tokens: int = 0
) -> int | None:
    """Return how many rows fit on a device; None if it is no GPU or the model does not say its sizes.

    Parameters
    ----------
    logits
        Positions of a row that the vocabulary is scored at.
    tokens
        Tokens of a row whose keys and values are kept.
    """
    if device.type != "cuda":
        return None
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        config = base.config.get_text_config()
        needed = logits * config.vocab_size * _LOGIT_BYTES
        if tokens:
            heads = config.num_attention_heads
            shared = getattr(config, "num_key_value_heads", None) or heads
            width = getattr(config, "head_dim", None) or config.hidden_size // heads
            # Keys and values in float32, once more while they grow by a token.
            needed += tokens * 2 * (config.num_hidden_layers + 1) * shared * width * 4
    except AttributeError:
        return None
    return max(1, int(_free_bytes(device) * _SHARE / needed))


def _free_bytes(device: torch.device) -> int:
    """Return the memory that this process may still take, and what it holds without using it."""
    free, total = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device)
    # Older versions of torch do not say it. There evaluation is tried again with fewer examples.
    allowed = getattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)(device)
    left = max(0.0, min(free, allowed * total - held))
    return int(left + held - torch.cuda.memory_allocated(device))
