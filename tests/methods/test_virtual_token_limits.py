"""Virtual tokens are limited by a table of positions, as real models show, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModel

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.position_table import has_position_table
from whichpeft.methods import resolve_method
from whichpeft.study import Budget
from whichpeft.tasks import Prompted, generative_task, text_task

POSITIONS = 96
SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "intermediate_size": 16, "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
}  # fmt: skip
GPT: dict[str, Any] = {
    "vocab_size": 50,
    "n_embd": 16,
    "n_layer": 1,
    "n_head": 2,
    "n_positions": POSITIONS,
}
BART: dict[str, Any] = {
    "vocab_size": 50, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16, "max_position_embeddings": POSITIONS,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES, "roberta": SIZES, "albert": SIZES, "distilbert": {
        "vocab_size": 50, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16,
        "max_position_embeddings": POSITIONS,
    },
    "mpnet": SIZES, "electra": SIZES | {"embedding_size": 16}, "gpt2": GPT,
    "gptj": GPT | {"rotary_dim": 4},
    "opt": SIZES | {"ffn_dim": 16, "word_embed_proj_dim": 16}, "bart": BART, "biogpt": SIZES,
    "deberta-v2": SIZES | {"relative_attention": True, "position_biased_input": False},
    "llama": SIZES, "qwen2": SIZES, "gpt_neox": SIZES, "modernbert": SIZES, "phi": SIZES,
    "falcon": SIZES,
    "esm": SIZES | {"position_embedding_type": "rotary", "mask_token_id": 3, "pad_token_id": 1},
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_ends_where_a_real_model_does(family: str) -> None:
    config = AutoConfig.for_model(family, **FAMILIES[family])
    model = AutoModel.from_config(config).eval()
    ids = torch.full((1, POSITIONS + 20), 5)
    try:
        with torch.no_grad():
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
        ends = False
    except (IndexError, RuntimeError):
        ends = True
    backbone = Backbone(name=family, revision="0", config=config.to_dict())
    assert backbone.positions is not None
    assert has_position_table(backbone) == ends


WRITING = generative_task(
    "sums", train=[Prompted(prompt=f"{i} is", completion=str(i)) for i in range(9)]
)
READING = text_task("t", train=[(f"w {i}", i % 2) for i in range(20)])


def refusal(method: str, backbone: Backbone, task: Any = WRITING) -> str | None:
    return resolve_method(method).refuses(backbone, task, Budget())


@pytest.mark.parametrize("method", ["prompt", "p-tuning", "prefix"])
def test_rotary_backbones_take_any_number(method: str) -> None:
    llama = resolve_backbone("llama-3.2-3b", weights=False)
    for count in (20, 65, 100, 200):
        assert refusal(f"{method}:num_virtual_tokens={count}", llama) is None


@pytest.mark.parametrize("method", ["prompt", "p-tuning", "prefix"])
def test_tables_limit_them(method: str) -> None:
    bert = resolve_backbone("bert-base", weights=False)
    assert refusal(f"{method}:num_virtual_tokens=64", bert, READING) is None
    reason = refusal(f"{method}:num_virtual_tokens=100", bert, READING)
    assert reason is not None
    assert "only 64 of 512 positions" in reason


def test_a_small_rotary_model_reads_no_more_than_it_was_trained_with() -> None:
    small = Backbone(name="small", revision="0", config=transformers.LlamaConfig(**SIZES).to_dict())
    cap = small.input_positions
    assert cap == 48
    assert refusal("prompt:num_virtual_tokens=48", small) is None, "48 and 48 are 96"
    reason = refusal("prompt:num_virtual_tokens=60", small)
    assert reason is not None
    assert "exceed the 96 positions that small was trained with" in reason


def test_relative_positions_have_no_limit() -> None:
    config = AutoConfig.for_model("deberta-v2", **FAMILIES["deberta-v2"]).to_dict()
    deberta = Backbone(name="d", revision="0", config=config)
    assert refusal("prompt:num_virtual_tokens=200", deberta, READING) is None
