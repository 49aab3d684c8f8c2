"""How many trials run side by side on each GPU."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.executors import Resources, SilentObserver, trial_processes
from whichpeft.executors.gpus import Gpu
from whichpeft.executors.places import gpu_places
from whichpeft.methods import resolve_method
from whichpeft.records import Setting

from .. import builders

GB = 10**9
PLENTY: dict[str, Any] = {"cores": 64, "memory": 2000 * GB}


def gpus(count: int = 1, *, free: int = 80, kind: str = "H200", shared: bool = True) -> list[Gpu]:
    setting = Setting(device="cuda", precision="bfloat16", hardware={"accelerator": kind})
    return [
        Gpu(device=f"cuda:{i}", setting=setting, free=free * GB, shared=shared) for i in range(count)
    ]


@pytest.mark.parametrize(
    ("memory", "jobs", "expected"),
    [
        (2, None, 4),  # 21 would fit, but more than four by default bring little
        (2, 8, 8),
        (2, 1, 1),
        (20, None, 2),  # 64 GB of the 80, each taking 24.6
        (20, 8, 2),  # whatever the user asks for
        (70, None, 1),
        (0, None, 1),  # unknown
    ],
)
def test_trials_share_a_gpu_as_its_memory_allows(memory: int, jobs: int | None, expected: int) -> None:
    resources = Resources(memory=memory * GB)
    assert gpu_places(gpus(), resources, jobs, **PLENTY) == ["cuda:0"] * expected


def test_every_gpu_gets_a_trial_before_any_gets_a_second() -> None:
    small = Resources(memory=2 * GB)
    assert gpu_places(gpus(3), small, 4, **PLENTY) == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert gpu_places(gpus(8), small, 2, **PLENTY) == ["cuda:0", "cuda:1"]
    assert len(gpu_places(gpus(8), small, None, **PLENTY)) == 32
    # Two cores for each trial, but never a GPU without one.
    assert len(gpu_places(gpus(8), small, None, cores=20, memory=2000 * GB)) == 10
    assert len(gpu_places(gpus(8), small, None, cores=4, memory=2000 * GB)) == 8


def test_a_full_gpu_gets_one_trial_and_an_empty_one_more() -> None:
    full, empty = gpus(1, free=3)[0], gpus(2)[1]
    resources = Resources(memory=2 * GB)
    found = gpu_places([full, empty], resources, 7, **PLENTY)
    assert Counter(found) == {"cuda:0": 1, "cuda:1": 6}
    found = gpu_places([full, empty], resources, None, **PLENTY)
    assert Counter(found) == {"cuda:0": 1, "cuda:1": 4}


def test_a_gpu_that_is_too_small_gets_no_trial_if_another_is_not() -> None:
    large, small = gpus(1)[0], gpus(2, free=8, kind="T4")[1]
    resources = Resources(memory=20 * GB)
    assert gpu_places([large, small], resources, None, **PLENTY) == ["cuda:0"] * 2
    assert gpu_places([small, large], resources, 1, **PLENTY) == ["cuda:0"]
    # What is foreseen may be too much, for example if only some of the trials train as one model.
    assert gpu_places([large, small], Resources(memory=90 * GB), None, **PLENTY) == ["cuda:0", "cuda:1"]


@pytest.mark.parametrize("jobs", [None, 8])
def test_a_gpu_for_one_process_only_is_not_shared(jobs: int | None) -> None:
    assert gpu_places(gpus(shared=False), Resources(memory=GB), jobs, **PLENTY) == ["cuda:0"]
    assert gpu_places(gpus(), Resources(memory=GB, shards=2), jobs, **PLENTY) == ["cuda:0"]


@pytest.mark.parametrize("alone", [False, True])
def test_the_memory_of_the_machine_bounds_how_many_models_load_at_once(alone: bool) -> None:
    # An 8B takes 32 GB in float32 and 2 GB for its process.
    resources = Resources(memory=20 * GB, weights=32 * GB, alone=alone)
    assert len(gpu_places(gpus(8), resources, None, cores=64, memory=120 * GB)) == 3
    assert len(gpu_places(gpus(8), resources, None, cores=64, memory=10 * GB)) == 1


def test_profiles_run_on_every_gpu_of_the_first_ones_kind_and_alone_on_it() -> None:
    mixed = [*gpus(2), *gpus(3, kind="T4")[2:], *gpus(4)[3:]]
    alone = Resources(alone=True)
    assert gpu_places(mixed, alone, None, **PLENTY) == ["cuda:0", "cuda:1", "cuda:3"]
    assert gpu_places(mixed, alone, 1, **PLENTY) == ["cuda:0"]
    assert gpu_places(mixed, alone, None, cores=4, memory=900 * GB) == ["cuda:0", "cuda:1"]


class Started(Exception):
    """The jobs have been started as far as there was room."""


def test_a_record_counts_the_trials_beside_it_on_the_same_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = Job(
        trial=builders.trial("full"), backbone=None, method=resolve_method("full"), data=tmp_path,
        placement=Placement(device="cpu"), work=FinalWork(),
    )  # type: ignore[arg-type]  # fmt: skip
    placements = []

    def start(job: Any, environment: object) -> Any:
        placements.append(job.placement)
        return type("Process", (), {"left": [job], "device": job.placement.device})

    def wait(running: object, seconds: float) -> Any:
        raise Started

    monkeypatch.setattr(trial_processes, "_start", start)
    monkeypatch.setattr(trial_processes, "_wait", wait)
    monkeypatch.setattr(trial_processes, "_end", lambda running: None)
    with pytest.raises(Started):
        list(trial_processes.run_jobs([job] * 9, ["cuda:0", "cuda:1", "cuda:0"], SilentObserver()))
    assert [(p.device, p.beside, p.concurrent_trials) for p in placements] == [
        ("cuda:0", 1, 2), ("cuda:1", 0, 2), ("cuda:0", 1, 2),
    ]  # fmt: skip
    placements.clear()
    with pytest.raises(Started):
        list(trial_processes.run_jobs([job] * 9, ["cpu", "cpu"], SilentObserver()))
    assert [(p.beside, p.concurrent_trials) for p in placements] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("device", "chosen", "expected"),
    [
        ("cuda:0", {}, {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}),
        ("cuda:0", {"PYTORCH_ALLOC_CONF": "backend:native"}, {"PYTORCH_ALLOC_CONF": "backend:native"}),
        ("cuda:0", {"PYTORCH_CUDA_ALLOC_CONF": ""}, {"PYTORCH_CUDA_ALLOC_CONF": ""}),
        ("cpu", {}, {}),
    ],
)
def test_gpu_memory_grows_in_segments_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch, device: str, chosen: dict[str, str], expected: dict[str, str]
) -> None:
    environment = dict(chosen)
    monkeypatch.setattr(trial_processes.os, "environ", environment)
    monkeypatch.setattr(trial_processes.sys, "platform", "linux")
    trial_processes._save_gpu_memory(device)
    assert environment == expected
