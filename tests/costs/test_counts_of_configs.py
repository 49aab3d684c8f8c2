"""Counts of config files, and of models whose layers differ, equal those of plain PEFT on a whole model.

A plan has no weights, and PEFT gets a model with weights here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

import whichpeft as wp
from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.costs import CostQuery
from whichpeft.costs.query import count_parameters_of
from whichpeft.engine.compute import Compute
from whichpeft.methods import Method, resolve_method
from whichpeft.planning import probe
from whichpeft.tasks.no_task import NoTask

_SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "vocab_size": 90}
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
LLAMA = {"model_type": "llama", **_SIZES, **_HEADS, "num_hidden_layers": 8, "tie_word_embeddings": True}
UNTIED = LLAMA | {"tie_word_embeddings": False}
MIXTRAL = {"model_type": "mixtral", **_SIZES, **_HEADS, "num_hidden_layers": 6, "num_local_experts": 4}
GPT2 = {"model_type": "gpt2", "n_layer": 6, "n_embd": 32, "n_head": 4, "vocab_size": 90}
BART = {
    "model_type": "bart", "d_model": 32, "encoder_layers": 6, "decoder_layers": 8, "vocab_size": 90,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}  # fmt: skip
RESNET = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [2, 2, 2, 2]
}  # fmt: skip
# Every other layer of the first four is dense; the others have experts.
QWEN_MOE = {
    "model_type": "qwen3_moe", **_SIZES, **_HEADS, "head_dim": 8, "num_hidden_layers": 8,
    "moe_intermediate_size": 24, "num_experts": 4, "num_experts_per_tok": 2, "mlp_only_layers": [1, 3],
}  # fmt: skip
# One layer of four has attention; the others are recurrent.
NEMOTRON_H = {
    "model_type": "nemotron_h", **_SIZES, **_HEADS, "num_hidden_layers": 8, "head_dim": 8,
    "hybrid_override_pattern": "M-M*M-M*", "mamba_num_heads": 4, "mamba_head_dim": 8,
    "ssm_state_size": 8, "n_groups": 1,
}  # fmt: skip

QV = ["q_proj", "v_proj"]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rank-pattern": (
        LLAMA,
        {"peft_type": "LORA", "target_modules": QV, "rank_pattern": {r"model\.layers\.5\..*": 16}},
    ),
    "layer-replication": (
        LLAMA,
        {"peft_type": "LORA", "target_modules": QV, "layer_replication": [[0, 5], [3, 8]]},
    ),
    "left-out-layer": (
        LLAMA,
        {"peft_type": "LORA", "target_modules": QV, "exclude_modules": ["layers.7.self_attn.q_proj"]},
    ),
    "new-tokens": (
        UNTIED,
        {"peft_type": "LORA", "trainable_token_indices": {"embed_tokens": [1, 2], "lm_head": [1]}},
    ),
    "tied-embeddings": (
        LLAMA,
        {
            "peft_type": "LORA",
            "target_modules": [*QV, "embed_tokens", "lm_head"],
            "ensure_weight_tying": True,
        },
    ),
    "saved-modules": (UNTIED, {"peft_type": "LORA", "modules_to_save": ["lm_head", "norm"]}),
    "experts": (
        MIXTRAL,
        {"peft_type": "LORA", "target_modules": QV, "target_parameters": ["experts.down_proj"]},
    ),
    "dense-and-experts": (
        QWEN_MOE,
        {"peft_type": "LORA", "target_modules": QV, "target_parameters": ["experts.down_proj"]},
    ),
    "hybrid": (NEMOTRON_H, {"peft_type": "LORA", "target_modules": ["q_proj", "up_proj"]}),
    "unequal-depths": (BART, {"peft_type": "LORA", "target_modules": QV, "bias": "all"}),
    "transposed-weights": (GPT2, {"peft_type": "FROD", "sparse_rate": 0.05, "progressbar": False}),
    "convolutions": (RESNET, {"peft_type": "LORA", "target_modules": ["convolution"]}),
    "adalora-factors": (LLAMA, {"peft_type": "ADALORA", "init_r": 6, "target_r": 3, "total_step": 1000}),
    "rank-of-a-basis": (
        LLAMA,
        {"peft_type": "OSF", "target_modules": QV, "rank_pattern": {"layers.7.self_attn.v_proj": 3}},
    ),
}


def write(folder: Path, model: dict[str, Any], config: dict[str, Any]) -> tuple[Backbone, Method]:
    (folder / "config.json").write_text(json.dumps(model))
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(config))
    backbone = resolve_backbone(str(folder), weights=False)
    return backbone, resolve_method(str(file)).resolved_for(backbone)


def plan_row(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    write(folder, LLAMA, config)
    study = wp.Study(
        backbone=str(folder),
        methods=[str(folder / "adapter_config.json")],
        budget=wp.Budget(batch_size=1),
    )
    (row,) = wp.plan(study, length=8).rows
    return dict(row)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_of_a_config_counts_what_peft_makes(case: str, tmp_path: Path) -> None:
    model, config = CASES[case]
    backbone, method = write(tmp_path, model, config)
    task = NoTask(backbone)
    assert probe(method, backbone, task, same_targets=True) is None
    query = CostQuery(
        method=method, backbone=backbone, task=task, compute=Compute(torch.device("cpu"), "float32"),
        batch_size=1, length=8,
    )  # fmt: skip
    found = count_parameters_of(query)
    kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(config["peft_type"])]
    options = {key: value for key, value in config.items() if key != "peft_type"}
    torch.manual_seed(1)
    made = peft.get_peft_model(task.build_on_meta(backbone), kind(**options, task_type=task.task_type))
    assert found["trainable_parameters"] == made.get_nb_trainable_parameters()[0]


def test_what_weights_decide_is_not_counted_and_the_reason_is_said(tmp_path: Path) -> None:
    row = plan_row(tmp_path, {"peft_type": "ADAMSS", "num_subspaces": 3, "subspace_rank": 2})
    assert row["refusal"] is None
    assert row["trainable_parameters"] is row["adapter_bytes"] is row["training_memory_bytes"] is None
    assert "clusters of fewer than subspace_rank=2 rows" in row["untold"]["trainable_parameters"]
    assert set(row["untold"]) >= {"adapter_parameters", "adapter_bytes", "flops_per_sample"}


def test_what_a_step_reads_is_not_traced_and_the_rest_is_counted(tmp_path: Path) -> None:
    row = plan_row(tmp_path, {"peft_type": "FROD"})
    assert row["trainable_parameters"] > 0
    assert row["adapter_bytes"] > 4 * row["trainable_parameters"]
    assert set(row["untold"]) == {"training_memory_bytes", "flops_per_sample"}


def test_nothing_is_untold_of_a_usual_method(tmp_path: Path) -> None:
    assert plan_row(tmp_path, {"peft_type": "LORA"})["untold"] == {}


def test_targets_that_only_higher_layers_have_are_found(tmp_path: Path) -> None:
    backbone, method = write(tmp_path, NEMOTRON_H, {"peft_type": "LORA", "target_modules": ["q_proj"]})
    assert probe(method, backbone, NoTask(backbone), same_targets=True) is None


def test_what_higher_layers_refuse_is_refused(tmp_path: Path) -> None:
    model = QWEN_MOE | {"mlp_only_layers": [0, 1, 2, 3, 4]}
    config = {"peft_type": "LORA", "target_parameters": ["experts.down_proj"], "lora_dropout": 0.1}
    backbone, method = write(tmp_path, model, config)
    reason = probe(method, backbone, NoTask(backbone), same_targets=True)
    assert reason is not None
    assert "lora_dropout" in reason
