"""GPUs as a run finds them, on a machine without one."""

from __future__ import annotations

import os

import pytest
import torch

from whichpeft.engine import fork_server
from whichpeft.engine.compute import Compute
from whichpeft.engine.environment import describe_setting
from whichpeft.errors import StudyError
from whichpeft.executors import gpus


def gpu(device: str = "cuda:0") -> gpus.Gpu:
    setting = describe_setting(Compute(torch.device("cpu"), "bfloat16"), 0)
    return gpus.Gpu(device=device, setting=setting, free=10**10, shared=True)


def look_at(devices: list[str], precision: str, others: list[str]) -> list[gpus.Gpu]:
    """Fail as torch does in a process that was forked from one that has initialised CUDA."""
    if fork_server._SPAWN not in os.environ:
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess. To use CUDA with ...")
    return [gpu(device) for device in devices]


def busy(devices: list[str], precision: str, others: list[str]) -> list[gpus.Gpu]:
    raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable")


def unable(devices: list[str], precision: str, others: list[str]) -> list[gpus.Gpu]:
    raise StudyError("precision bfloat16: cuda:0 does not multiply it; use auto or float32")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "in_own_process", lambda function, *arguments: function(*arguments))


def test_trials_start_from_scratch_if_a_forked_process_cannot_use_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHICHPEFT_SPAWN", "")
    monkeypatch.delenv("WHICHPEFT_SPAWN")
    monkeypatch.setattr(gpus, "look_at", look_at)
    found, (note,) = gpus.find_gpus(["cuda:0", "cuda:1"], "auto")
    assert [each.device for each in found] == ["cuda:0", "cuda:1"]
    assert "starts from scratch" in note
    assert fork_server.start_context().get_start_method() == "spawn"


def test_a_gpu_that_cannot_be_used_ends_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "look_at", busy)
    with pytest.raises(StudyError, match=r"busy or unavailable.*CUDA_VISIBLE_DEVICES"):
        gpus.find_gpus(["cuda:0"], "auto")
    monkeypatch.setattr(gpus, "look_at", unable)
    with pytest.raises(StudyError, match="does not multiply it"):
        gpus.find_gpus(["cuda:0"], "bfloat16")


def test_a_gpu_is_taken_to_be_shared_if_there_is_no_driver_to_ask() -> None:
    if not torch.cuda.is_available():
        assert gpus._may_be_shared("cuda:0")
