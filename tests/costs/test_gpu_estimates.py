"""Costs on an NVIDIA GPU, estimated on any machine without touching one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.costs import CostQuery, Costs, assumptions, count_flops, estimate_costs, study_estimates
from whichpeft.costs.assumptions import make_assumptions
from whichpeft.costs.memory import usable_bytes
from whichpeft.costs.speed import _widest
from whichpeft.costs.study_estimates import make_estimates
from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.memory import PeakMemory
from whichpeft.engine.weights.loading import _build
from whichpeft.methods import resolve_method
from whichpeft.study import Budget, Study
from whichpeft.tasks import GenerativeTask, Prompted, generative_task
from whichpeft.tasks.no_task import NoTask
from whichpeft.units import show_bytes

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


def test_what_fits_leaves_room_for_the_context_and_for_gaps() -> None:
    assert usable_bytes(24_000_000_000, "cuda") == 21_480_000_000
    assert usable_bytes(500_000_000, "cuda") == 0
    assert usable_bytes(24_000_000_000, "cpu") == 24_000_000_000
    study = Study(backbone="minilm", methods=["lora"], budget=Budget(batch_size=4))

    def row(memory: int) -> Mapping[str, Any]:
        found = make_estimates(study, length=32, memory=memory, speed=None, device="cuda")
        assert f"fits: in {show_bytes(usable_bytes(memory, 'cuda'))}" in found.notes[0]
        return found.rows[0]

    ample = row(10**9)
    total = ample["training_memory_bytes"]
    assert ample["fits"] == (total <= usable_bytes(10**9, "cuda"))
    scarce = row(int((total + 600_000_000) / 0.92) - 1_000_000)
    assert total < scarce["memory_bytes"]
    assert (scarce["fits"], scarce["largest_batch"]) == (False, 3)


def test_a_wide_layer_is_timed_on_a_gpu_if_it_has_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free["bytes"], 0))
    for free["bytes"], width in ((140e9, 4096), (6e9, 2795), (0, 0)):
        free["bytes"] = int(free["bytes"])
        assert _widest(torch.device("cuda")) == width
    assert _widest(torch.device("cpu")) == 1024


def test_reserved_memory_of_training_leaves_out_what_was_freed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *device, name=name: calls.append(name))
    peak = PeakMemory(torch.device("cuda"))
    calls.clear()
    peak.restart()
    assert calls == ["empty_cache", "reset_peak_memory_stats"]


def test_a_trial_on_a_gpu_does_not_let_cudnn_prepare_each_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    before, seen = torch.backends.cuda.cudnn_sdp_enabled(), []
    torch.backends.cuda.enable_cudnn_sdp(True)

    class Builds(NoTask):
        def build(self, backbone: Backbone) -> torch.nn.Module:
            seen.append(torch.backends.cuda.cudnn_sdp_enabled())
            return torch.nn.Linear(1, 1)

    backbone = resolve_backbone("minilm", weights=False)
    try:
        for compute in (CPU, GPU):
            _build(backbone, Builds(backbone), compute)
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)
    assert seen == [True, False]


@pytest.mark.parametrize("gpu", [False, True])
def test_rows_are_found_in_forked_processes_only_without_a_gpu(
    gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a GPU, no process takes a backward pass that was forked after another one."""

    class Pool:
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *what: object) -> None: ...

        def map(self, function: object, places: range, chunksize: int) -> list[str]:
            return ["forked"] * len(places)

    class Forks:
        def Pool(self, workers: int, initializer: object) -> Pool:
            return Pool()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(study_estimates.sys, "platform", "linux")
    monkeypatch.setattr(study_estimates, "usable_cores", lambda: 2)
    monkeypatch.setattr(study_estimates, "_row", lambda cell, assumed: "here")
    monkeypatch.setattr(study_estimates.multiprocessing, "get_context", lambda kind: Forks())
    cells: Any = [None, None]
    assumed: Any = None
    assert study_estimates._rows(cells, assumed) == ["here" if gpu else "forked"] * 2


def test_a_plan_on_a_full_gpu_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(compute: Compute, **sizes: int) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    freed = []
    monkeypatch.setattr(assumptions, "measure_speed", full)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(True))
    backbone = resolve_backbone("bert-base", weights=False)
    study = Study(backbone="bert-base", methods=["lora"], budget=Budget(max_train=64))
    found = make_assumptions(study, backbone, NoTask(backbone), GPU, 64, None, None, here=True)
    assert found.speed is None
    assert freed
