"""Methods that cannot work are refused before anything runs, in one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.methods import resolve_method
from whichpeft.planning import probe, treats_layers_alike
from whichpeft.study import Budget
from whichpeft.tasks.no_task import NoTask


def reason(method: str, name: str = "minilm") -> str | None:
    backbone = resolve_backbone(name, weights=False)
    return probe(resolve_method(method), backbone, NoTask(backbone), same_targets=True)


@pytest.mark.parametrize(
    "method", ["full", "head", "lora:r=8", "adalora", "bitfit", "prefix", "p-tuning"]
)
def test_methods_that_work_are_not_refused(method: str) -> None:
    assert reason(method) is None


def test_a_missing_target_is_reported_with_the_nearest() -> None:
    found = reason("lora:target_modules=[querry]")
    assert found is not None
    assert "'querry'" in found
    assert "did you mean 'query'" in found
    assert "\n" not in found


def test_a_refusal_has_the_reason_of_the_library() -> None:
    found = reason("lora:r=8,target_modules=[LayerNorm]")
    assert found is not None
    assert "LayerNorm" in found


def test_a_probe_is_quick() -> None:
    reason("lora:r=8")
    began = time.process_time()
    reason("lora:r=8")
    assert time.process_time() - began < 0.6  # 0.1 s on an idle machine


def test_layers_named_by_number_are_not_alike() -> None:
    backbone = resolve_backbone("minilm")
    assert treats_layers_alike(resolve_method("lora:lora_dropout=0.05,r=8"), backbone)
    assert treats_layers_alike(resolve_method("lora:target_modules=[query,value]"), backbone)
    assert not treats_layers_alike(
        resolve_method("lora:target_modules=[layer.0.attention.self.query]"), backbone
    )


def test_layers_chosen_by_a_pattern_are_not_alike() -> None:
    backbone = resolve_backbone("minilm")
    for pattern in (".*layer\\.5\\..*query", ".*layer\\.(0|2)\\..*query"):
        method = f"lora:target_modules={pattern}"
        assert not treats_layers_alike(resolve_method(method), backbone)
        assert reason(method) is None


def test_a_model_that_needs_weights_is_not_the_fault_of_a_method(
    tmp_path: Path,
) -> None:
    from transformers import MixtralConfig

    MixtralConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, num_local_experts=2, vocab_size=100,
    ).save_pretrained(tmp_path)  # fmt: skip
    assert reason("lora", str(tmp_path)) is None
    assert "did you mean 'q_proj'" in (reason("lora:target_modules=[q_porj]", str(tmp_path)) or "")


@pytest.mark.parametrize("start", ["eva", "lora_ga", "corda", "loftq"])
def test_initialisations_that_need_data_are_refused(start: str) -> None:
    backbone = resolve_backbone("minilm")
    method = resolve_method(f"lora:init_lora_weights={start}")
    assert start in (method.refuses(backbone, NoTask(backbone), Budget()) or "")


def test_tokens_outside_the_vocabulary_are_refused() -> None:
    backbone = resolve_backbone("minilm")
    for token in (99_999_999, -5):
        method = resolve_method(f"trainable-tokens:token_indices=[{token}]")
        assert str(token) in (method.refuses(backbone, NoTask(backbone), Budget()) or "")
    usual = resolve_method("trainable-tokens").resolved_for(backbone)
    assert usual.hyperparameters["token_indices"] == [101, 102]  # [CLS] and [SEP]
