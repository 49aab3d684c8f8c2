"""Costs on an NVIDIA GPU, estimated on any machine without touching one."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import CostQuery, Costs, count_flops, estimate_costs
from whichpeft.engine.compute import Compute
from whichpeft.methods import resolve_method
from whichpeft.tasks.no_task import NoTask

GPU = Compute(torch.device("cuda"), "bfloat16")
CPU = Compute(torch.device("cpu"), "bfloat16")


def lora(name: str, compute: Compute, size: int, length: int) -> CostQuery:
    backbone = resolve_backbone(name, weights=False)
    return CostQuery(
        method=resolve_method("lora").resolved_for(backbone),
        backbone=backbone,
        task=NoTask(backbone),
        compute=compute,
        batch_size=size,
        length=length,
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
