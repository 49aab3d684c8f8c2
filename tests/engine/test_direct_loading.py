"""Weights that go from their file to the device: the same model as by way of float32 on the host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.weights_in_files import WeightsInFiles
from whichpeft.engine import Job
from whichpeft.engine.compute import Compute
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.weights import loading

Filled = list[tuple[bool, list[torch.nn.Parameter]]]


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Filled:
    """Record whether weights were filled in, and which parameters held nothing before."""
    found: Filled = []
    fill = WeightsInFiles.fill

    def noted(self: WeightsInFiles, model: torch.nn.Module, *more: object) -> bool:
        empty = [p for p in model.parameters() if p.dim() > 1 and set(p.stride()) == {0}]
        done = fill(self, model, *more)  # type: ignore[arg-type]
        found.append((done, empty))
        return done

    monkeypatch.setattr(WeightsInFiles, "fill", noted)
    return found


def stored_as(backbone: Backbone, kind: torch.dtype, folder: Path) -> Backbone:
    """Copy a backbone with its weights in another type."""
    shutil.copytree(backbone.files, folder)
    for path in folder.glob("*.safetensors"):
        save_file({n: t.to(kind) for n, t in load_file(path).items()}, path, metadata={"format": "pt"})
    return resolve_backbone(str(folder))


def both_ways(
    job: Job, precision: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[PreparedTrial, PreparedTrial]:
    """Prepare a job in float32 on the host, and directly; the random numbers after it are the same."""
    made, numbers = [], []
    for direct in (False, True):
        monkeypatch.setattr(loading, "loads_directly", lambda *_, direct=direct: direct)
        made.append(prepare(job, Compute(torch.device("cpu"), precision)))
        numbers.append(torch.get_rng_state())
    assert torch.equal(*numbers)
    return made[0], made[1]


def check_same(one: PreparedTrial, two: PreparedTrial) -> None:
    tensors, others = (
        dict(made.model.named_parameters()) | dict(made.model.named_buffers()) for made in (one, two)
    )
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == others[name].dtype, name
        assert tensor.requires_grad == others[name].requires_grad, name
        assert torch.equal(tensor, others[name]), name
    assert one.counts == two.counts


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_bits_are_those_of_a_load_in_float32(  # type: ignore[no-untyped-def]
    make_job, even, kind, precision, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = stored_as(even["llama"], kind, tmp_path / "stored")
    job = replace(make_job("lora", family="llama"), backbone=backbone)
    one, two = both_ways(job, precision, monkeypatch)
    check_same(one, two)
    ((done, empty),) = filled
    # The embedding and seven matrices in each of two layers; the head is new, and so is the adapter.
    assert (done, len(empty)) == (True, 1 + 2 * 7)


@pytest.mark.parametrize("method", ["full", "top-layers:k=1", "head", "bitfit", "ia3", "prefix"])
def test_what_trains_is_float32(  # type: ignore[no-untyped-def]
    make_job, even, method: str, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = stored_as(even["bert"], torch.bfloat16, tmp_path / "stored")
    job = replace(make_job(method), backbone=backbone)
    one, two = both_ways(job, "bfloat16", monkeypatch)
    check_same(one, two)
    assert [done for done, _ in filled] == [True]
    assert {p.dtype for p in two.trained()} == {torch.float32}


def test_a_method_that_reads_weights_gets_them(  # type: ignore[no-untyped-def]
    make_job, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = both_ways(make_job("dora", family="llama"), "bfloat16", monkeypatch)
    check_same(one, two)
    assert filled == []


def test_an_error_that_no_weight_caused_stays(  # type: ignore[no-untyped-def]
    make_job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("lora")

    def broken(*given: object) -> None:
        raise ValueError("of the method's own")

    monkeypatch.setattr(type(job.method), "apply", broken)
    monkeypatch.setattr(loading, "loads_directly", lambda *_: True)
    with pytest.raises(ValueError, match="of the method's own"):
        prepare(job, Compute(torch.device("cpu"), "float32"))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: torch.full(tensor.shape, 1.0),  # converted, so that nothing stands for it
        lambda tensor: tensor[:1],  # a part
    ],
)
def test_weights_that_were_converted_are_not_filled_in(
    change: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    weights = WeightsInFiles()
    weight = weights.leave(str(tmp_path / "never-read.safetensors"), "weight", (4, 3))
    weight.taken = True
    model = torch.nn.Linear(3, 4, bias=False)
    model.weight = torch.nn.Parameter(change(weight.stand_in))
    assert not weights.fill(model, torch.device("cpu"), lambda tensor: torch.float32)


@pytest.mark.parametrize(("device", "quantise", "expected"), [
    ("cpu", None, False), ("cuda", None, True), ("mps", None, True), ("cuda", "4bit", False),
])  # fmt: skip
def test_only_beside_an_accelerator(even, device: str, quantise: str | None, expected: bool) -> None:  # type: ignore[no-untyped-def]
    backbone = replace(even["bert"], quantise=quantise)
    assert loading.loads_directly(backbone, Compute(torch.device(device), "float32")) is expected
