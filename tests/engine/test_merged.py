"""A merged latency is that of a model with the same outputs, or it is left out with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import Job, Placement, ProfileWork
from whichpeft.engine.compute import Compute
from whichpeft.engine.model_setup import prepare
from whichpeft.engine.profiling.budget import THOROUGH
from whichpeft.engine.profiling.inference import measure_merged, ready_for_use
from whichpeft.methods import resolve_method
from whichpeft.methods.peft_adapter import PeftAdapter
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import Prompted, Task, generative_task, load_task
from whichpeft.tasks.encoded_data import write_data
from whichpeft.tasks.text_encoding import load_tokenizer

BRIEF = dataclasses.replace(THOROUGH, step_seconds=0.1, latency_seconds=0.05, rounds=2)
Measured = Callable[..., dict[str, Any]]


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    """Return a function that merges a method with large random weights and gives what is measured."""

    def measure(
        method: str, backbone: Backbone, task: Task, precision: str = "float32"
    ) -> dict[str, Any]:
        study = Study(
            backbone=backbone.name, task=task.name, methods=[method], seeds=[0], budget=Budget(epochs=1),
            precision=precision,
        )  # fmt: skip
        (cell,) = make_plan(study, [backbone], [task], {method: resolve_method(method)}).cells
        assert cell.refusal is None
        path, _ = write_data(task, backbone, study.budget, tmp_path)
        job = Job(
            trial=cell.profile, backbone=backbone, method=cell.method, data=path,
            placement=Placement(device="cpu"), work=ProfileWork(budget=BRIEF),
        )  # fmt: skip
        prepared = prepare(job, Compute(torch.device("cpu"), precision))
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in prepared.trained():
                parameter += 0.3 * torch.randn_like(parameter)
        ready_for_use(prepared)
        return {found.name: found for found in measure_merged(job, BRIEF, prepared)}

    return measure


@pytest.fixture
def reviewed(reviews: Path) -> Task:
    return load_task(TaskSource(name=str(reviews)))


@pytest.fixture
def tied(tiny_writer: Backbone, tmp_path: Path) -> Backbone:
    tokenizer = load_tokenizer(tiny_writer)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "tied")
    tokenizer.save_pretrained(tmp_path / "tied")
    return resolve_backbone(str(tmp_path / "tied"))


SUMS = [Prompted(prompt=f"What is {i}", completion=str(i)) for i in range(20)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora:r=2", "lora:r=2,target_modules=[word_embeddings]", "ia3"])
def test_equal_outputs_are_timed(
    method: str, precision: str, measured: Measured, tiny_backbone: Path, reviewed: Task
) -> None:
    found = measured(method, resolve_backbone(str(tiny_backbone)), reviewed, precision)
    assert found["merged_inference_milliseconds"].value > 0
    assert found["merged_difference"].value < 1e-3
    assert "not_merged" not in found


@pytest.mark.parametrize("targets", ["embed_tokens", "lm_head", "embed_tokens,lm_head"])
def test_tied_embeddings_are_not_merged(targets: str, measured: Measured, tied: Backbone) -> None:
    found = measured(f"lora:r=2,target_modules=[{targets}]", tied, generative_task("sums", train=SUMS))
    assert set(found) == {"not_merged"}
    assert "share their weights" in found["not_merged"].source


def test_trained_tokens_of_tied_embeddings_are_merged(measured: Measured, tied: Backbone) -> None:
    found = measured("trainable-tokens:token_indices=[5,6]", tied, generative_task("sums", train=SUMS))
    assert found["merged_difference"].value < 1e-3


def test_a_model_that_answers_otherwise_is_not_timed(
    measured: Measured, tiny_backbone: Path, reviewed: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = PeftAdapter.merge

    def wrongly(self: PeftAdapter) -> torch.nn.Module:
        merged = merge(self)
        with torch.no_grad():
            merged.get_submodule("bert.encoder.layer.0.attention.self.query").weight.mul_(-1)
        return merged

    monkeypatch.setattr(PeftAdapter, "merge", wrongly)
    found = measured("lora:r=2", resolve_backbone(str(tiny_backbone)), reviewed)
    assert set(found) == {"not_merged"}
    assert found["not_merged"].value > 1e-3
    assert "outputs differ" in found["not_merged"].source
