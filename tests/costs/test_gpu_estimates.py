"""Costs on an NVIDIA GPU, estimated on any machine without touching one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.costs import CostQuery, Costs, count_flops, estimate_costs
from whichpeft.costs.assumptions import make_assumptions
from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute
from whichpeft.methods import resolve_method
from whichpeft.study import Budget, Study
from whichpeft.tasks import GenerativeTask, Prompted, generative_task
from whichpeft.tasks.no_task import NoTask

GPU = Compute(torch.device("cuda"), "bfloat16")
CPU = Compute(torch.device("cpu"), "bfloat16")


def lora(name: str, compute: Compute, size: int, length: int, **options: Any) -> CostQuery:
    backbone = resolve_backbone(name, weights=False)
    return CostQuery(
        method=resolve_method("lora").resolved_for(backbone),
        backbone=backbone,
        compute=compute,
        batch_size=size,
        length=length,
        **{"task": NoTask(backbone), **options},
    )


def activations(costs: Costs) -> int:
    assert costs.memory is not None
    return costs.memory.activations


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU that must not be touched, since its context takes memory of it."""

    def touch(*arguments: object) -> None:
        raise AssertionError("the GPU was touched")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", touch)


def test_a_batch_that_is_on_the_device_stays_as_it_is() -> None:
    with FakeTensorMode():
        batch = {"labels": torch.empty(2, device="cuda")}
        assert GPU.place(batch)["labels"] is batch["labels"]


@pytest.mark.usefixtures("forbidden")
def test_flops_of_a_gpu_are_counted_without_touching_it() -> None:
    found, same = (count_flops(lora("minilm", compute, 4, 32)) for compute in (GPU, CPU))
    assert found is not None
    assert found == pytest.approx(same, rel=0.02)  # attention is counted as another kernel


@pytest.mark.parametrize(("length", "fused"), [(128, 909e6), (440, 3086e6)])
def test_the_attention_of_a_gpu_keeps_no_probabilities(length: int, fused: float) -> None:
    """The figures are those of this step with attention dropout 0, for which a CPU's kernel is fused."""
    on_gpu = activations(estimate_costs(lora("bert-base", GPU, 16, length)))
    assert on_gpu == pytest.approx(fused, rel=0.15)
    assert activations(estimate_costs(lora("bert-base", CPU, 16, length))) > 1.5 * on_gpu


def test_logits_are_computed_for_what_is_learnt() -> None:
    task = GenerativeTask(
        name="t", fingerprint="", metrics=(), evaluation="likelihood", chance=None, counts={"train": 9}
    )
    few, every = (
        estimate_costs(lora("llama-3.2-3b", GPU, 16, 160, task=task, learnt=learnt))
        for learnt in (24, None)
    )
    assert few.memory is not None
    assert every.memory is not None
    assert few.memory.total == pytest.approx(19.3e9, rel=0.05)
    assert every.memory.total == pytest.approx(22.3e9, rel=0.05)
    head = 3 * 2 * 3072 * 128256 * (160 - 24)  # three passes at most
    assert 0 < every.flops_per_sample - few.flops_per_sample <= head  # type: ignore[operator]


def test_what_is_learnt_comes_from_the_data(tiny_writer: Backbone) -> None:
    examples = [
        Prompted(prompt="three plus four is " * (1 + i % 5), completion="seven") for i in range(32)
    ]
    task = generative_task("t", train=examples, validation=examples[:2], test=examples[:2])
    study = Study(backbone="w", task="t", methods=["lora"], seeds=[0], budget=Budget(batch_size=8))
    found = make_assumptions(study, tiny_writer, task, GPU, None, None, 1e12, here=False)
    train = task.encode(tiny_writer, max_train=None)["train"]
    kept = [
        train.batch(batch)["labels"].shape[1]
        for batch in training_batches(train.sizes, 8, seed=0, epoch=0)
    ]
    assert found.learnt == max(kept) < found.length
    given = make_assumptions(study, tiny_writer, task, GPU, 64, None, 1e12, here=False)
    assert (given.length, given.learnt) == (64, None)  # nothing is known of other lengths
