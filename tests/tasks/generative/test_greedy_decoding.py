"""Greedy decoding gives the same tokens as transformers' ``generate``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, GPT2Config, LlamaConfig, MistralConfig

from whichpeft.tasks.generative import greedy_decoding

SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS = {
    "llama": LlamaConfig(**SMALL, intermediate_size=64, num_key_value_heads=2),
    "a window of eight": MistralConfig(
        **SMALL, intermediate_size=64, num_key_value_heads=2, sliding_window=8
    ),
    "gpt2": GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4),
}
PAD, LONGEST = 0, 24


def prompts() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten prompts of uneven lengths, padded on the left."""
    torch.manual_seed(1)
    lengths = torch.tensor([3, 12, 7, 1, 9, 12, 5, 2, 11, 4])
    mask = (torch.arange(12) >= 12 - lengths[:, None]).long()
    return torch.randint(4, 60, mask.shape) * mask, mask


@pytest.mark.parametrize("ends", [[], [7], list(range(4, 16))], ids=["never", "one", "twelve"])
@pytest.mark.parametrize("kind", MODELS)
@torch.inference_mode()
def test_the_tokens_match_generate(kind: str, ends: list[int]) -> None:
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(MODELS[kind]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # so that the generated text varies
    model.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=PAD)
    ids, mask = prompts()
    theirs = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=LONGEST, do_sample=False)[
        :, 12:
    ]
    read: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, asked: read.append(len(asked["input_ids"])), with_kwargs=True
    )
    ours = greedy_decoding.greedy_decode(model, ids, mask, LONGEST)
    assert torch.equal(ours, theirs)
    assert read[0] == 10
    if len(ends) > 1:
        assert read[-1] <= 5  # prompts whose text has ended are dropped
        assert (ours == PAD).any()


def test_models_with_special_steps_use_generate() -> None:
    from transformers import MambaConfig

    asked = MambaConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, state_size=4)
    model: Any = AutoModelForCausalLM.from_config(asked).eval()
    model.generation_config = GenerationConfig(eos_token_id=7, pad_token_id=PAD)
    ids, mask = prompts()
    assert greedy_decoding.greedy_decode(model, ids, mask, 5).shape[0] == 10
