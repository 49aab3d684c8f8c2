"""Greedy decoding: many prompts together, each until its text ends."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import Cache, PreTrainedModel


def greedy_decode(
    model: PreTrainedModel | PeftModel, ids: torch.Tensor, mask: torch.Tensor, longest: int
) -> torch.Tensor:
    """Return at most `longest` tokens after each prompt: (batch, tokens generated at most).

    The prompts `ids` and their `mask` have shape (batch, length) and are padded on the left. Positions
    after the end of a text are padding. The tokens equal those of transformers' ``generate``. This is
    faster, because it skips the work for sampling, beams and so on, and drops prompts whose text has
    ended.
    """
    if not _reads_step_by_step(model):
        tokens: torch.Tensor = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=longest, use_cache=True
        )
        return tokens[:, ids.shape[1] :]
    ends, pad = _ends(model, ids.device), model.generation_config.pad_token_id
    written = torch.full((len(ids), longest), pad, dtype=ids.dtype, device=ids.device)
    rows = torch.arange(len(ids), device=ids.device)  # rows still in the batch
    going = torch.ones_like(rows, dtype=torch.bool)  # rows whose text has not ended
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache: Cache | None = None
    for step in range(longest):
        output = model(
            input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache,
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        cache, next_ids = output.past_key_values, output.logits[:, -1].argmax(dim=-1)
        ids = next_ids.where(going, pad)[:, None]
        written[rows, step] = ids[:, 0]
        going &= ~torch.isin(next_ids, ends)
        count = int(going.sum())
        if count == 0:
            return written[:, : step + 1]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        places = places[:, -1:] + 1
        if 2 * count <= len(rows):  # dropping only a few rows costs more than keeping them
            kept = going.nonzero()[:, 0]
            cache.batch_select_indices(kept)
            ids, mask, places, rows, going = (x[kept] for x in (ids, mask, places, rows, going))
    return written


def _ends(model: PreTrainedModel | PeftModel, device: torch.device) -> torch.Tensor:
    """Return the tokens that end a text."""
    found = model.generation_config.eos_token_id
    ends = [] if found is None else [found] if isinstance(found, int) else list(found)
    return torch.tensor(ends, dtype=torch.int64, device=device)


def _reads_step_by_step(model: PreTrainedModel | PeftModel) -> bool:
    """Whether the keys and values are all that a model's next step needs from earlier tokens.

    This is not so if the model prepares its steps in its own way, carries a state, or has virtual
    tokens, which PEFT adds before each pass.
    """
    from transformers import GenerationMixin

    while hasattr(model, "get_base_model"):
        if model.active_peft_config.is_prompt_learning:
            return False
        model = model.get_base_model()
    takes = inspect.signature(model.forward).parameters
    kinds = getattr(model.config, "layer_types", None) or ()
    return (
        {"position_ids", "past_key_values", "logits_to_keep"} <= takes.keys()
        and type(model).prepare_inputs_for_generation is GenerationMixin.prepare_inputs_for_generation
        and not model._is_stateful
        and {"full_attention", "sliding_attention"} >= set(kinds)
    )
