"""Traps that were seen in practice, each with its guard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from whichpeft.backbones import FREE_POSITIONS, Backbone, resolve_backbone
from whichpeft.methods import Situation, resolve_method
from whichpeft.study import Budget
from whichpeft.tasks import Task
from whichpeft.testing.methods import small_task


@pytest.fixture
def task() -> Task:
    return small_task()


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


def build(task: Task, backbone: Backbone) -> tuple[torch.nn.Module, Situation]:
    torch.manual_seed(0)
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    return model, Situation(task_type="SEQ_CLS", head=head, steps=100)


@pytest.mark.parametrize("name", ["prompt", "p-tuning"])
def test_the_pooler_reads_the_first_token_and_not_a_virtual_one(
    name: str, task: Task, backbone: Backbone
) -> None:
    model, situation = build(task, backbone)
    adapted = resolve_method(name).apply(model, situation).model.eval()
    seen: list[torch.Tensor] = []
    bert = model.bert
    bert.embeddings.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(2).numpy())
    task.outputs(adapted, batch)
    cls = bert.embeddings.word_embeddings.weight[batch["input_ids"][0, 0]]
    assert seen[0].shape[1] == batch["input_ids"].shape[1] + 20
    torch.testing.assert_close(seen[0][0, 0], cls)


def test_padding_does_not_change_what_virtual_tokens_give(task: Task, backbone: Backbone) -> None:
    model, situation = build(task, backbone)
    adapted = resolve_method("prompt").apply(model, situation).model.eval()
    examples = task.encode(backbone, max_train=None)["train"]
    together = task.outputs(adapted, examples.batch(torch.arange(6).numpy()))
    alone = [task.outputs(adapted, examples.batch(torch.tensor([i]).numpy())) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_more_virtual_tokens_than_free_positions_are_refused(task: Task, backbone: Backbone) -> None:
    fits = resolve_method(f"prompt:num_virtual_tokens={FREE_POSITIONS}")
    assert fits.refuses(backbone, task, Budget()) is None
    many = resolve_method(f"prefix:num_virtual_tokens={FREE_POSITIONS + 1}")
    assert "overflow the position embeddings" in (many.refuses(backbone, task, Budget()) or "")


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "distilbert", "modernbert"])
def test_prefix_is_refused_where_attention_takes_no_keys(
    family: str, task: Task, backbone: Backbone
) -> None:
    other = replace(backbone, config={**backbone.config, "model_type": family})
    assert family in (resolve_method("prefix").refuses(other, task, Budget()) or "")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_input_tokens_are_refused_where_the_last_token_is_read(
    family: str, task: Task, backbone: Backbone
) -> None:
    other = replace(backbone, config={**backbone.config, "model_type": family})
    for name in ("prompt", "p-tuning"):
        assert "reads padding" in (resolve_method(name).refuses(other, task, Budget()) or "")
    assert resolve_method("prefix").refuses(other, task, Budget()) is None


def test_adalora_prunes_and_its_penalty_stays_out_of_the_loss(task: Task, backbone: Backbone) -> None:
    model, situation = build(task, backbone)
    adapter = resolve_method("adalora:r=2,init_r=4").apply(model, replace(situation, steps=20))
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(6).numpy())
    optimizer = torch.optim.SGD([p for p in adapter.model.parameters() if p.requires_grad], lr=0.5)
    for step in range(20):
        loss, penalty = task.loss(adapter.model, batch), adapter.penalty()
        assert penalty is not None
        assert loss.item() < 1.5  # two classes: the task's own loss, without the penalty
        (loss + penalty).backward()
        optimizer.step()
        adapter.after_step(step)
        optimizer.zero_grad()
    kept = sum(int((p != 0).sum()) for n, p in adapter.model.named_parameters() if "lora_E" in n)
    assert kept <= 2 * 3 * 2  # rank 2 on average over three projections of two layers


def test_adalora_with_too_few_steps_is_refused(task: Task, backbone: Backbone) -> None:
    reason = resolve_method("adalora").refuses(backbone, task, Budget(epochs=1))
    assert "too few" in (reason or "")


def test_methods_that_target_modules_share_them(task: Task, backbone: Backbone) -> None:
    targeted = {}
    for name in ("lora", "dora", "adalora", "ia3"):
        model, situation = build(task, backbone)
        adapted = resolve_method(name).apply(model, situation).model
        targeted[name] = sorted(adapted.base_model.targeted_module_names)
    assert len({tuple(names) for names in targeted.values()}) == 1
    assert {name.rpartition(".")[2] for name in targeted["lora"]} == {"query", "key", "value"}


def test_own_targets_and_unshared_ones(task: Task, backbone: Backbone) -> None:
    model, situation = build(task, backbone)
    own = resolve_method("lora:target_modules=[dense]").apply(model, situation).model
    assert all(name.endswith("dense") for name in own.base_model.targeted_module_names)
    model, situation = build(task, backbone)
    customary = resolve_method("lora").apply(model, replace(situation, same_targets=False)).model
    leaves = {name.rpartition(".")[2] for name in customary.base_model.targeted_module_names}
    assert leaves == {"query", "value"}  # what PEFT targets on BERT
