"""Parameter counts of the configurations of PEFT's own comparison, as published with their results.

The facts are those of huggingface/peft, `method_comparison/MetaMathQA`, at commit 5d602fdbf: the options
that differ from PEFT's defaults and can change a count, and the number of trainable parameters. All are
on Llama-3.2-3B. Repetitions are left out, and so is the experiment whose config is plain LoRA and whose
optimiser, LoRA-FA, freezes one of the factors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import CostQuery
from whichpeft.costs.query import count_parameters_of
from whichpeft.engine.compute import Compute
from whichpeft.methods import resolve_method
from whichpeft.tasks.no_task import NoTask

QV, MLP = ["q_proj", "v_proj"], ["gate_proj", "up_proj", "down_proj"]
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
BLOCKS = {
    "target_modules_bd_a": ["o_proj", "down_proj"],
    "target_modules_bd_b": ["q_proj", "v_proj", "k_proj", "up_proj", "gate_proj"],
    "nblocks": 2,
}
RANKS = dict.fromkeys(["q_proj", "o_proj", *MLP], 2944) | {"k_proj": 896, "v_proj": 896}
PUBLISHED: list[tuple[str, dict[str, Any], int]] = [
    (
        "ADALORA",
        {"init_r": 64, "target_r": 32, "tfinal": 500, "tinit": 200, "total_step": 5000},
        18_353_664,
    ),
    ("ADAMSS", {"num_subspaces": 32}, 293_888),
    ("ADAPTION_PROMPT", {"adapter_layers": 28, "adapter_len": 100}, 8_601_628),
    ("BEFT", {"target_modules": ["v_proj"]}, 28_672),
    ("BOFT", {}, 802_816),
    ("C3A", {"block_size": 64, "target_modules": QV}, 5_505_024),
    ("DEFT", {"r": 32}, 9_175_040),
    ("DEFT", {"decomposition_method": "qr", "para": True, "r": 32}, 3_670_016),
    ("DELORA", {"r": 32}, 9_175_096),
    ("FOURIERFT", {"target_modules": QV}, 56_000),
    ("FOURIERFT", {"n_frequency": 5000, "target_modules": QV}, 280_000),
    ("FROD", {}, 5_456_808),
    ("FROD", {"sparse_rate": 0.02}, 10_741_640),
    ("GLORA", {"target_modules": QV}, 4_587_520),
    ("GLORA", {"config_A_B": "vector", "config_C": "vector", "target_modules": QV}, 229_376),
    ("GRALORA", {}, 9_175_040),
    ("HIRA", {"target_modules": QV}, 9_175_040),
    ("IA3", {}, 286_720),
    ("IA3", {"feedforward_modules": MLP, "target_modules": [*ATTENTION, *MLP]}, 630_784),
    ("LILY", {"r": 140, "stride_A": 14, "target_modules": MLP}, 9_485_280),
    ("LILY", {"r": 896, "stride_A": 14, "target_modules": QV}, 18_450_432),
    ("LN_TUNING", {}, 175_104),
    ("LOHA", {"r": 32, "target_modules": QV}, 18_350_080),
    ("LOKR", {"decompose_factor": 4, "r": 32, "target_modules": QV}, 2_294_656),
    ("LORA", {"r": 10, "target_modules": MLP}, 9_461_760),
    ("LORA", {"r": 14, "target_modules": MLP, "use_bdlora": BLOCKS}, 8_429_568),
    ("LORA", {"r": 32}, 9_175_040),
    ("LORA", {"r": 32, "init_lora_weights": "mica"}, 5_505_024),
    ("LORA", {"r": 32, "use_dora": True}, 9_289_728),
    ("LORA", {"r": 64}, 18_350_080),
    ("LORA", {"r": 64, "use_rslora": True}, 18_350_080),
    ("MISS", {}, 7_340_032),
    ("MISS", {"init_weights": "bat"}, 7_340_032),
    ("MISS", {"init_weights": "mini", "mini_r": 64}, 229_376),
    ("OFT", {"oft_block_size": 0, "r": 32, "target_modules": QV}, 8_171_520),
    ("OSF", {"target_modules": [*ATTENTION, *MLP], "rank_pattern": RANKS}, 194_535_936),
    ("PEANUT", {"r": 1, "target_modules": QV}, 229_376),
    ("PEANUT", {"target_modules": QV}, 7_340_032),
    ("PREFIX_TUNING", {"encoder_hidden_size": 3072, "num_virtual_tokens": 50}, 2_867_200),
    ("PREFIX_TUNING", {"encoder_hidden_size": 3072, "num_virtual_tokens": 200}, 11_468_800),
    ("PROMPT_TUNING", {"num_virtual_tokens": 200}, 614_400),
    ("PROMPT_TUNING", {"num_virtual_tokens": 200, "prompt_tuning_init": "SAMPLE_VOCAB"}, 614_400),
    ("PSOFT", {"r": 256, "psoft_alpha": 256}, 1_856_512),
    ("PSOFT", {"r": 256, "psoft_svd": "lowrank", "use_cayley_neumann": True}, 1_856_512),
    ("PVERA", {"r": 64}, 121_856),
    ("PVERA", {}, 143_360),
    ("P_TUNING", {"encoder_hidden_size": 3072, "num_virtual_tokens": 20}, 28_382_208),
    ("RANDLORA", {}, 9_289_728),
    ("ROAD", {"variant": "road_2"}, 229_376),
    ("SHIRA", {}, 9_175_040),
    ("TINYLORA", {}, 3_584),
    ("TINYLORA", {"weight_tying": 1.0}, 64),
    ("TRAINABLE_TOKENS", {"token_indices": [128000, 128001]}, 6_144),
    ("UNILORA", {"r": 32, "target_modules": QV}, 256),
    ("VBLORA", {"target_modules": QV}, 1_212_416),
    ("VERA", {}, 129_024),
    ("WAVEFT", {"n_frequency": 5000, "target_modules": QV}, 280_000),
]


@pytest.mark.parametrize(("peft_type", "options", "published"), PUBLISHED)
def test_counts_are_those_that_peft_published(
    peft_type: str, options: dict[str, Any], published: int, tmp_path: Path
) -> None:
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({"peft_type": peft_type, "task_type": "CAUSAL_LM", **options}))
    backbone = resolve_backbone("llama-3.2-3b", weights=False)
    found = count_parameters_of(
        CostQuery(
            method=resolve_method(str(file)).resolved_for(backbone),
            backbone=backbone,
            task=NoTask(backbone),
            compute=Compute(torch.device("cpu"), "bfloat16"),
            batch_size=1,
            length=8,
        )
    )
    assert found["trainable_parameters"] == published
    assert found["base_parameters"] == 3_212_749_824
