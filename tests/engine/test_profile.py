"""A profile measures every cost, and a slow evaluation does not affect training time."""

from __future__ import annotations

import dataclasses
import pickle
import time
from pathlib import Path

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement, ProfileWork
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.profiling.budget import (
    QUICK,
    STANDARD,
    THOROUGH,
    ProfileBudget,
    find_profile_budget,
)
from whichpeft.errors import StudyError
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.records import Record
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.encoded_data import write_data

SLEEP = 100.0  # extra seconds per evaluation
BRIEF = dataclasses.replace(THOROUGH, step_seconds=0.2, latency_seconds=0.1, rounds=3)


@pytest.fixture
def profiled(tiny_backbone: Path, reviews: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    def profile(method: str, budget: ProfileBudget = BRIEF, **changes: object) -> Record:
        job = make_job(tiny_backbone, reviews, tmp_path, method, "profile")
        work = ProfileWork(budget=budget, **changes)  # type: ignore[arg-type]
        job = dataclasses.replace(job, work=work)
        record = carry_out(job, lambda progress: None).record
        assert record.outcome.status == "completed", record.outcome
        return record

    return profile


def make_job(backbone: Path, data: Path, scratch: Path, method: str, purpose: str) -> Job:
    task, found = load_task(TaskSource(name=str(data))), resolve_backbone(str(backbone))
    study = Study(
        backbone="tiny", task="reviews", methods=[method], seeds=[0], budget=Budget(epochs=2),
        precision="float32",
    )  # fmt: skip
    (cell,) = make_plan(study, [found], [task], {method: resolve_method(method)}).cells
    folder = scratch / f"{purpose}-{len(list(scratch.iterdir()))}"
    folder.mkdir()
    path, _ = write_data(task, found, study.budget, folder)
    trial = cell.profile if purpose == "profile" else cell.finals[0]
    work = ProfileWork() if purpose == "profile" else FinalWork()
    placement = Placement(device="cpu")
    return Job(
        trial=trial, backbone=found, method=cell.method, data=path, placement=placement, work=work
    )


def test_a_thorough_profile_measures_everything(profiled) -> None:
    record = profiled("lora:r=2", flops_per_sample=1e6, matmul_speed=1e12)
    for name in (
        "step_milliseconds", "forward_milliseconds", "backward_milliseconds", "optimizer_milliseconds",
        "inference_milliseconds", "merged_inference_milliseconds", "batch_inference_milliseconds",
        "switch_milliseconds",
    ):  # fmt: skip
        found = record.measurement(name)
        assert found is not None, name
        assert found.unit == "ms"
        assert 0 < found.low <= found.value <= found.high, name
    for name in ("inference", "merged_inference", "batch_inference"):
        median = record.measurement(f"{name}_milliseconds")
        assert median.high <= record.value(f"{name}_milliseconds_p95")
    for name in ("peak_memory_bytes", "evaluation_memory_bytes", "load_milliseconds"):
        assert record.value(name) is not None, name
    assert record.value("reserved_memory_bytes") is None  # accelerators only
    assert 0 <= record.value("taken_share") <= 1
    assert 0 <= record.value("inference_taken_share") <= 1
    rate = record.value("samples_per_second")
    assert record.value("peak_share") == pytest.approx(1e6 * rate / 1e12)
    first = record.measurement("first_round_step_milliseconds")
    assert first is not None
    assert first.low <= first.value <= first.high


def test_the_parts_of_a_step_add_up_to_the_step(profiled) -> None:
    record = profiled("full")
    parts = sum(record.value(f"{name}_milliseconds") for name in ("forward", "backward", "optimizer"))
    # Each part is a median of its own, so the sum is close but not exact.
    assert parts == pytest.approx(record.value("step_milliseconds"), rel=0.3)


@pytest.mark.parametrize("method", ["full", "head", "loreft", "prefix", "lora+bitfit", "adalora"])
def test_costs_that_do_not_exist_are_absent(profiled, method: str) -> None:
    record = profiled(method)
    assert record.value("inference_milliseconds") is not None
    assert record.value("load_milliseconds") is not None
    merged = record.value("merged_inference_milliseconds")
    assert (merged is not None) == (method in ("lora+bitfit", "adalora"))
    assert (record.value("switch_milliseconds") is not None) == (method in ("loreft", "adalora"))
    assert record.value("flops_per_sample") is record.value("peak_share") is None


def test_a_quick_profile_measures_only_memory_and_steps(profiled) -> None:
    record = profiled("lora:r=2", QUICK)
    names = {m.name for m in record.measurements}
    assert {"peak_memory_bytes", "step_milliseconds", "train_seconds"} <= names
    assert not [name for name in names if "inference" in name or "evaluation" in name]


@pytest.mark.parametrize(("method", "share"), [("head", 1.0), ("top-layers:k=1", 0.5), ("full", None)])
def test_the_layers_that_trials_compute_once_are_counted(
    profiled, method: str, share: float | None
) -> None:
    assert profiled(method, QUICK).value("frozen_share") == share


def test_nothing_trained_costs_nothing(profiled) -> None:
    record = profiled("zero-shot")
    assert record.value("train_seconds") == 0
    assert record.value("step_milliseconds") is record.value("inference_milliseconds") is None


def test_an_unknown_profile_budget_suggests_a_known_one() -> None:
    assert find_profile_budget("standard") is STANDARD
    with pytest.raises(StudyError, match="did you mean 'thorough'"):
        find_profile_budget("thorogh")


slept: list[float] = []
"""Extra seconds of outputs; the clock is advanced instead of waiting, so the load does not matter."""


class Sleepy:
    """Another task, except that its outputs take extra seconds."""

    def __init__(self, task: object, seconds: float) -> None:
        self._task, self._seconds = task, seconds

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._task, name)

    def outputs(self, model: object, batch: object) -> object:
        slept.append(self._seconds)
        return self._task.outputs(model, batch)  # type: ignore[attr-defined]


@pytest.mark.parametrize("purpose", ["profile", "final"])
def test_a_slow_evaluation_is_not_training_time(
    tiny_backbone: Path,
    reviews: Path,
    tmp_path: Path,
    purpose: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + sum(slept))
    job = make_job(tiny_backbone, reviews, tmp_path, "lora:r=2", purpose)
    if purpose == "profile":
        budget = dataclasses.replace(STANDARD, examples=1, batches=1)
        job = dataclasses.replace(job, work=ProfileWork(budget=budget))
    plain = carry_out(job, lambda progress: None).record
    task, *encoded = pickle.loads(job.data.read_bytes())
    job.data.write_bytes(pickle.dumps((Sleepy(task, SLEEP), *encoded)))
    slow = carry_out(job, lambda progress: None).record
    assert slow.outcome.status == "completed", slow.outcome
    evaluated = "validate" if purpose == "profile" else "test"
    assert slow.value("seconds", evaluated) >= SLEEP
    # Even half the time of a single evaluation would show.
    assert slow.value("seconds", "fit") < plain.value("seconds", "fit") + SLEEP / 2
    if purpose == "profile":
        steps = job.trial.budget.steps(160)
        assert slow.value("train_seconds") < plain.value("train_seconds") + steps * SLEEP / 2
        assert slow.value("inference_milliseconds") >= 1000 * SLEEP


@pytest.mark.parametrize("method", ["full", "lora:r=2"])
def test_a_large_adapter_is_weighed_without_being_written(
    method: str, tiny_backbone: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from whichpeft.engine.compute import Compute
    from whichpeft.engine.model_setup import prepare
    from whichpeft.engine.profiling import profile

    job = make_job(tiny_backbone, reviews, tmp_path, method, "profile")
    adapter = prepare(job, Compute(torch.device("cpu"), "float32")).adapter
    written, folder = profile._save(adapter, tmp_path / "written")
    assert written
    assert folder == tmp_path / "written"
    monkeypatch.setattr(profile, "_WRITTEN", 0)
    assert profile._save(adapter, tmp_path / "weighed") == (written, None)
    assert not (tmp_path / "weighed").exists()
