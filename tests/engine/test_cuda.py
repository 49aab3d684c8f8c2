"""Trials on an NVIDIA GPU: the same as on a CPU up to rounding, and ended by no surprise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whichpeft.engine import Job, Result
from whichpeft.engine.carry_out import carry_out, carry_out_all
from whichpeft.engine.checkpoint import PREEMPTION, Preempted

pytestmark = pytest.mark.cuda
GPU = "cuda:0"
METHODS = ["full:learning_rate=3e-3", "lora:r=2,lora_dropout=0", "bitfit", "prefix:num_virtual_tokens=4"]


@pytest.fixture(scope="session")
def tiny_backbone(still_backbone: Path) -> Path:
    """A model without dropout, whose draws differ between devices."""
    return still_backbone


@pytest.fixture(autouse=True)
def no_preemption() -> Iterator[None]:
    yield
    PREEMPTION.requested = PREEMPTION.polled = False


def on_gpu(job: Job) -> Result:
    result = carry_out(job.placed(GPU, 0), lambda progress: None)
    assert result.record.outcome.status == "completed", result.record.outcome
    return result


def losses(result: Result) -> list[float]:
    return [value for _, name, value in result.curve if name == "train_loss"]


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_learns_what_it_learns_on_a_cpu(method: str, trials: Any) -> None:
    job = trials.job(method)
    alone, there = carry_out(job, lambda progress: None), on_gpu(job)
    assert losses(there)[0] == pytest.approx(losses(alone)[0], rel=1e-3)
    np.testing.assert_allclose(losses(there), losses(alone), rtol=0.05)
    assert there.record.value("score") == pytest.approx(alone.record.value("score"), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_resumes_at_every_step(method: str, trials: Any, tmp_path: Path) -> None:
    """The same up to rounding: attention's backward pass adds in any order on a GPU."""
    job = trials.job(method)
    whole = on_gpu(job)
    cut = replace(job, checkpoint=tmp_path / "c.safetensors").placed(GPU, 0)
    for _ in range(100):
        PREEMPTION.requested = True
        try:
            found = carry_out(cut, lambda progress: None)
            break
        except Preempted:
            continue
    assert found.record.value("resumed")
    np.testing.assert_allclose(losses(found), losses(whole), rtol=0.02)


def test_trials_train_as_one_model(trials: Any) -> None:
    jobs = [trials.job("lora:r=2,lora_dropout=0", seed=seed).placed(GPU, 0) for seed in (0, 1)]
    stacked = list(carry_out_all(replace(jobs[0], stacked_with=(jobs[1],)), lambda progress: None))
    assert [result.note for result in stacked] == [None, None]
    for result, job in zip(stacked, jobs, strict=True):
        assert result.record.setting.together == 2
        np.testing.assert_allclose(losses(result), losses(on_gpu(job)), rtol=0.02)


def test_a_profile_measures_time_and_memory(trials: Any) -> None:
    record = on_gpu(trials.job("lora:r=2", purpose="profile")).record
    peak, reserved = record.value("peak_memory_bytes"), record.value("reserved_memory_bytes")
    assert peak
    assert reserved
    assert 0 < peak <= reserved < 2e9
    assert (record.value("step_milliseconds") or 0) > 0
    assert (record.value("inference_milliseconds") or 0) > 0
    assert 0 <= (record.value("taken_share") or 0) <= 1
    assert 0 <= (record.value("gpu_taken_share") or 0) <= 1  # absent on a part of a GPU


def test_a_trial_that_finds_the_gpu_full_is_a_failed_record(trials: Any) -> None:
    job = trials.job("full").placed(GPU, 0)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.0, GPU)
    try:
        outcome = carry_out(job, lambda progress: None).record.outcome
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert outcome.status == "failed"
    assert (outcome.reason or "").startswith("out of memory")
    on_gpu(job)
