"""Rows that go through a language model together are bounded by a GPU's free memory."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from whichpeft.tasks.generative import model_outputs
from whichpeft.tasks.generative.device_rows import rows_in_memory

GB = 10**9
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def llama_3b() -> LlamaForCausalLM:
    """The sizes of Llama-3.2-3B, without weights."""
    config = LlamaConfig(
        vocab_size=128_256, hidden_size=3072, num_hidden_layers=28, num_attention_heads=24,
        num_key_value_heads=8, head_dim=128, intermediate_size=8192,
    )  # fmt: skip
    with torch.device("meta"):
        return LlamaForCausalLM(config)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card with 14 GB free, and 3 GB that the allocator holds without using them."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (14 * GB, 24 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 10 * GB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 7 * GB)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)


def test_the_logits_of_held_out_text_take_half_of_what_is_free(
    llama_3b: LlamaForCausalLM, card: None
) -> None:
    rows = rows_in_memory(llama_3b, CUDA, logits=512)
    assert rows == int(8.5 * GB / (512 * 128_256 * 10)) == 12  # 16,384 tokens would be 32 rows: 21 GB


def test_a_trial_that_shares_a_card_counts_on_its_own_share_only(
    llama_3b: LlamaForCausalLM, card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = 512 * 128_256 * 10
    share = {"of the card": 0.5}
    monkeypatch.setattr(
        torch.cuda, "get_per_process_memory_fraction", lambda device: share["of the card"]
    )
    # It may take 2 of the 14 GB that are free, and has 3 of its own.
    assert rows_in_memory(llama_3b, CUDA, logits=512) == int(2.5 * GB / row) == 3
    share["of the card"] = 0.25  # less than it holds
    assert rows_in_memory(llama_3b, CUDA, logits=512) == int(1.5 * GB / row) == 2
    monkeypatch.delattr(torch.cuda, "get_per_process_memory_fraction")  # as in older versions
    assert rows_in_memory(llama_3b, CUDA, logits=512) == int(8.5 * GB / row) == 12


def test_generation_counts_keys_and_values(llama_3b: LlamaForCausalLM, card: None) -> None:
    rows = rows_in_memory(llama_3b, CUDA, logits=1, tokens=1000)
    a_row = 128_256 * 10 + 1000 * 2 * 29 * 8 * 128 * 4
    assert rows == int(8.5 * GB / a_row) == 35


def test_at_least_one_row_is_tried(llama_3b: LlamaForCausalLM, card: None) -> None:
    assert rows_in_memory(llama_3b, CUDA, logits=10**6) == 1


def test_a_cpu_and_a_model_without_sizes_have_no_bound(llama_3b: LlamaForCausalLM) -> None:
    assert rows_in_memory(llama_3b, torch.device("cpu"), logits=1) is None
    assert rows_in_memory(torch.nn.Linear(1, 1), CUDA, logits=1) is None


@pytest.mark.parametrize(("most", "sizes"), [(None, [4, 1]), (3, [3, 2]), (100, [4, 1])])
def test_parts_keep_both_bounds(most: int | None, sizes: list[int]) -> None:
    batch = {"input_ids": torch.zeros(5, 4096)}
    parts = model_outputs._parts(batch, ("input_ids",), 4096, most)
    assert [len(part["input_ids"]) for part in parts] == sizes
