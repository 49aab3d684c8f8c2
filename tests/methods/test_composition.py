"""Compositions: several methods on one model."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import StudyError
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.tasks import Task
from whichpeft.testing.small_tasks import small_task


@pytest.fixture
def task() -> Task:
    return small_task()


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


def build(task: Task, backbone: Backbone) -> tuple[torch.nn.Module, MethodContext]:
    torch.manual_seed(0)
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    return model, MethodContext(task_type="SEQ_CLS", head=head, steps=100)


def trainable(text: str, task: Task, backbone: Backbone) -> int:
    adapter = resolve_method(text).apply(*build(task, backbone))
    return sum(p.numel() for p in adapter.model.parameters() if p.requires_grad)


def test_the_order_of_parts_does_not_matter() -> None:
    first, second = resolve_method("lora:r=4+bitfit"), resolve_method("bitfit+lora:r=4")
    assert first == second
    assert first.identity == "bitfit+lora:r=4"
    assert resolve_method(first.identity) == first


def test_all_parts_share_one_recipe(backbone: Backbone) -> None:
    method = resolve_method("lora:learning_rate=3e-3+bitfit")
    assert method.learning_rate == 3e-3
    assert method.identity == "bitfit:learning_rate=0.003+lora"
    assert resolve_method(method.identity) == method
    rates = [resolve_method(text).resolved_for(backbone).learning_rate for text in ("lora", "bitfit")]
    assert resolve_method("lora+bitfit").resolved_for(backbone).learning_rate == min(rates)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lora+dora", "lora and dora conflict"),
        ("lora+adalora", "both train the low-rank factors"),
        ("bitfit+ln-tuning", "norms' biases"),
        ("prefix+prompt", "virtual tokens"),
        ("vera+vera:r=4", "vera and vera conflict"),
        ("full+lora", "full cannot be combined"),
        ("head+bitfit", "head cannot be combined"),
        ("poly+lora", "poly cannot be combined"),
        ("lora:learning_rate=1e-3+bitfit:learning_rate=1e-2", "give learning_rate once"),
    ],
)
def test_conflicting_parts_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        resolve_method(text)


def test_a_refusal_of_one_part_refuses_the_composition(task: Task, backbone: Backbone) -> None:
    from whichpeft.study import Budget

    refusal = resolve_method("adaption-prompt+lora").refuses(backbone, task, Budget())
    assert refusal is not None
    assert refusal.startswith("adaption-prompt: ")


def test_a_composition_trains_its_parts_and_one_head(task: Task, backbone: Backbone) -> None:
    head = trainable("head", task, backbone)
    alone = trainable("lora", task, backbone) + trainable("bitfit", task, backbone) - head
    assert trainable("lora+bitfit", task, backbone) == alone


def test_each_part_is_saved_as_a_peft_folder_that_loads_alone(
    task: Task, backbone: Backbone, tmp_path: Path
) -> None:
    method = resolve_method("lora+bitfit")
    adapter = method.apply(*build(task, backbone))
    with torch.no_grad():
        for parameter in adapter.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
    adapter.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bitfit", "lora"]
    for part in ("lora", "bitfit"):
        config = json.loads((tmp_path / part / "adapter_config.json").read_text())
        assert config["peft_type"] == part.upper()
        plain, _ = build(task, backbone)
        loaded = peft.PeftModel.from_pretrained(plain, str(tmp_path / part))
        stacked = {name.replace(".base_layer", ""): p for name, p in adapter.model.named_parameters()}
        for name, value in loaded.get_base_model().named_parameters():
            if f"{part}_" in name:
                torch.testing.assert_close(value, stacked[name.replace(".base_layer", "")])


def test_merging_merges_all_parts(task: Task, backbone: Backbone) -> None:
    adapter = resolve_method("lora+bitfit").apply(*build(task, backbone))
    with torch.no_grad():
        for parameter in adapter.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(4).numpy())
    adapter.model.eval()
    with torch.no_grad():
        before = task.outputs(adapter.model, batch)
        merged = adapter.merge()
        after = task.outputs(merged, batch)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name or "bitfit" in name for name, _ in merged.named_parameters())


def test_values_resolved_for_the_backbone_reach_the_parts(backbone: Backbone) -> None:
    """For example, the tokens that a backbone's tokenizer adds."""
    resolved = resolve_method("trainable-tokens+lora").resolved_for(backbone)
    assert resolved.hyperparameters["trainable-tokens"]["token_indices"] == [101, 102]
