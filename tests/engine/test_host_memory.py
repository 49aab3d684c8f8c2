"""What a trial on an accelerator keeps on the host, on the device and on the disk."""

from __future__ import annotations

import gc
import json
import random
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from whichpeft.engine import checkpoint, memory, tensor_file
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.checkpoint import Checkpoints
from whichpeft.engine.compute import Compute
from whichpeft.engine.fit_result import FitResult
from whichpeft.engine.loop import TrainState
from whichpeft.engine.memory import keep_freed_memory, ran_out_of_memory
from whichpeft.engine.meter import Meter
from whichpeft.engine.stacked import trials as stacked_trials
from whichpeft.engine.tensor_file import tensor_bytes, write_tensors
from whichpeft.errors import TrialFailed

_Usage = namedtuple("_Usage", "total used free")


@pytest.mark.parametrize("chunk", [16, 1 << 28])
def test_written_tensors_are_read_back_bit_for_bit(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, "_CHUNK", chunk)
    shared = torch.randn(6, 5)
    tensors = {
        "float32": shared,
        "a view": shared[1:3],
        "transposed": shared.T,
        "bfloat16": torch.randn(7).bfloat16(),
        "float64": torch.randn(3, dtype=torch.float64),
        "int64": torch.arange(5),
        "uint8": torch.arange(9, dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
        "trained": torch.nn.Parameter(torch.ones(2, 2)),
    }
    path = tmp_path / "t.safetensors"
    write_tensors(path, tensors, {"who": "é"})
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    assert path.stat().st_size - tensor_bytes(tensors) < 2000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_checkpoint_holds_a_chunk_on_the_host_not_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    cpu = torch.Tensor.cpu

    def watched(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", watched)
    monkeypatch.setattr(tensor_file, "_CHUNK", 1 << 16)
    tensors = {str(i): torch.zeros(100_000) for i in range(4)}
    write_tensors(tmp_path / "t.safetensors", tensors, {})
    assert sum(sizes) == tensor_bytes(tensors)
    assert max(sizes) == 1 << 16


def test_a_checkpoint_that_the_disk_has_no_room_for_is_skipped_and_said_once(
    trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**6, 10**6 - 10_000, 10_000))
    path = tmp_path / "kept" / "c.safetensors"
    job = replace(trials.job("bitfit"), checkpoint=path, checkpoint_every=0.0)
    found = carry_out(job, lambda progress: None)
    assert found.record.outcome.status == "completed"
    assert found.note is not None
    assert found.note.startswith("bitfit: no checkpoint is written: it takes ")
    assert found.note.endswith(
        f", and {path.parent} has 10 kB free, of which a quarter may be used; "
        "an interrupted trial starts again"
    )
    assert not list(path.parent.iterdir())


def test_the_old_checkpoint_does_not_make_the_disk_too_full_for_the_next(
    trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept" / "c.safetensors"

    def usage(_: Path) -> _Usage:
        used = path.stat().st_size if path.is_file() else 0
        return _Usage(10**7, used, 10**7 - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(checkpoint, "_DISK_SHARE", 0.1)
    job = replace(trials.job("bitfit"), checkpoint=path, checkpoint_every=0.0)
    assert carry_out(job, lambda progress: None).note is None
    assert path.is_file()


def test_only_what_a_device_uses_is_placed_on_it_when_a_trial_resumes(
    trials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moments and the best weights fill a device twice, and MPS refuses float64."""
    path = tmp_path / "c.safetensors"
    job = replace(trials.job("bitfit"), checkpoint=path)
    device = torch.device("meta")
    compute = Compute(device, "float32")
    monkeypatch.setattr(
        checkpoint, "describe_setting",
        lambda *_: SimpleNamespace(versions={}, device="meta", precision="float32"),
    )  # fmt: skip
    with Checkpoints(job, compute, Meter()) as checkpoints:
        identity = checkpoints._identity
        said = {
            "identity": identity, "fitted": "{}", "random": json.dumps(random.getstate()),
            "seconds": "{}", "resumed": "0",
        }  # fmt: skip
        write_tensors(
            path,
            {
                "weights/0": torch.ones(3), "best/0": torch.full((3,), 2.0), "pending/0": torch.ones(()),
                "adamw/0/step": torch.ones(()), "adapter/mask": torch.ones(3),
                **checkpoint._generators(device),
            },
            said,
        )  # fmt: skip
        adapted: dict[str, torch.Tensor] = {}
        loaded: dict[str, torch.Tensor] = {}
        weight = torch.zeros(3)
        state: Any = SimpleNamespace(
            changing=lambda: [weight],
            optimisation=SimpleNamespace(restore=loaded.update),
            prepared=SimpleNamespace(adapter=SimpleNamespace(restore=adapted.update)),
            fitted=FitResult(),
        )
        checkpoints.restore(state)
    assert weight.tolist() == [1, 1, 1]
    assert adapted["mask"].device == device
    assert [tensor.device for tensor in state.pending] == [device]
    assert [tensor.tolist() for tensor in state.best] == [[2, 2, 2]]
    assert {tensor.device.type for tensor in loaded.values()} == {"cpu"}


def test_the_best_weights_are_kept_on_the_host() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        on_gpu = torch.empty(4, device="cuda")
        state = TrainState(
            SimpleNamespace(trained=lambda: [on_gpu], model=torch.nn.Identity()),  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
        )
        state.remember()
    assert state.best is not None
    assert [tensor.device.type for tensor in state.best] == ["cpu"]


def test_the_best_weights_are_a_copy() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    state = TrainState(
        SimpleNamespace(trained=lambda: [weight], model=torch.nn.Identity()),  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
    )
    state.remember()
    with torch.no_grad():
        weight.zero_()
    state.go_back()
    assert weight.tolist() == [1, 1]


@pytest.mark.parametrize(("device", "kept"), [("cpu", True), ("cuda", False), ("mps", False)])
def test_freed_memory_is_kept_on_a_cpu_only(
    device: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[int, int]] = []
    monkeypatch.setattr(memory, "_mallopt", asked.append)
    keep_freed_memory(torch.device(device))
    assert bool(asked) is kept


def test_a_stack_that_fails_leaves_nothing_behind(trials: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tensors may be in cycles, so they are collected before the trials run one by one."""

    class Cycle:
        def __init__(self) -> None:
            self.own = self
            self.tensor = torch.zeros(1)

        def __del__(self) -> None:
            gone.append(True)

    gone: list[bool] = []

    def fails(*_: object) -> Any:
        Cycle()
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(stacked_trials, "_carry_out", fails)
    job = trials.job("bitfit")
    gc.disable()
    try:
        reason = stacked_trials._try_stacked(
            replace(job, stacked_with=(trials.job("bitfit", seed=1),)), lambda progress: None
        )
    finally:
        gc.enable()
    assert reason == "out of memory: CUDA out of memory"
    assert gone == [True]


@pytest.mark.parametrize(("error", "expected"), [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
    (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB, max allowed: 9 GB)"), True),
    (RuntimeError("CUDA error: out of memory"), True),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
    (RuntimeError("expected scalar type Float but found Half"), False),
    (TrialFailed("out of memory in evaluation, with one example at a time"), False),
])  # fmt: skip
def test_every_way_to_run_out_of_memory_is_known(error: Exception, expected: bool) -> None:
    assert ran_out_of_memory(error) is expected
