"""A frozen head that shares its weights with the embedding is cast once, with the same bits."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from whichpeft.engine.compute import store_frozen_weights
from whichpeft.engine.weights.tied_head import keep_cast_heads

VOCABULARY, WIDTH = 300, 32


class Casts(TorchDispatchMode):  # type: ignore[misc]
    """Counts the casts of a tensor of the head's shape."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is torch.ops.aten._to_copy.default and args[0].shape == (VOCABULARY, WIDTH):
            self.count += 1
        return func(*args, **(kwargs or {}))


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=48, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.requires_grad_(False)
    return model


def test_the_head_is_cast_once_and_gives_the_same_bits() -> None:
    found, casts = [], []
    for kept in (False, True):
        model = llama()
        model.model.norm.weight.requires_grad_(True)  # so that gradients go through the head
        store_frozen_weights(model, "bfloat16")
        if kept:
            keep_cast_heads(model, "bfloat16")
            assert model.lm_head.weight is model.model.embed_tokens.weight
        with Casts() as count, torch.autocast("cpu", torch.bfloat16):
            logits = [model(torch.arange(6)[None]).logits for _ in range(3)]
        logits[-1].float().logsumexp(-1).sum().backward()
        found.append([logits[-1].detach(), model.model.norm.weight.grad])
        casts.append(count.count)
    assert casts == [3, 0]
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_head_without_autocast_multiplies_in_float32() -> None:
    model = llama()
    plain = model(torch.arange(6)[None]).logits
    keep_cast_heads(model, "bfloat16")
    assert torch.equal(model(torch.arange(6)[None]).logits, plain)
    model.float()  # as a profile does to compare a merged model
    keep_cast_heads(model, "bfloat16")
    assert model.lm_head.cast.dtype is torch.bfloat16


def test_a_head_that_trains_or_shares_nothing_stays() -> None:
    model = llama().requires_grad_(True)
    keep_cast_heads(model, "bfloat16")
    assert type(model.lm_head) is torch.nn.Linear
    keep_cast_heads(model, "float32")
    apart = torch.nn.Sequential(torch.nn.Embedding(4, 4), torch.nn.Linear(4, 4)).requires_grad_(False)
    keep_cast_heads(apart, "bfloat16")
    assert type(apart[1]) is torch.nn.Linear
