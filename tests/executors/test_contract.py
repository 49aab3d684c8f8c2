"""What every executor must do: the local one, and that of a Ray cluster of two nodes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from whichpeft.engine import FinalWork, Job, ProfileWork, ScreenWork, TuneWork
from whichpeft.executors import Executor, LocalExecutor, Resources, SilentObserver, make_executor

from .conftest import Clusters
from .jobs import make_jobs

Make = Callable[..., list[Job]]


@pytest.fixture(scope="module", params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """An executor with room for two trials side by side."""
    if request.param == "local":
        yield LocalExecutor("cpu", 2)
        return
    clusters: Clusters = request.getfixturevalue("clusters")
    clusters.start(2)
    with contextlib.closing(make_executor("ray", device="cpu", jobs=None)) as begun:
        yield begun


@pytest.fixture(scope="module")
def begun(
    executor: Executor, tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Job]:
    """Begin the executor; return jobs for it by method."""
    scratch = tmp_path_factory.mktemp("scratch")
    jobs = make_jobs(executor, tiny_backbone, reviews, scratch, ["full", "lora:r=2", "head"])
    return {job.trial.method: job for job in jobs}


@pytest.fixture
def make(begun: dict[str, Job]) -> Make:
    def made(*methods: str, epochs: int = 1) -> list[Job]:
        found = [begun[method] for method in methods]
        return [
            replace(j, trial=replace(j.trial, budget=replace(j.trial.budget, epochs=epochs)))
            for j in found
        ]

    return made


@dataclass
class Seen(SilentObserver):
    """Writes down what it observes, by method."""

    events: list[tuple[str, str]] = field(default_factory=list)

    def started(self, job: Job) -> None:
        self.events.append(("started", job.trial.method))

    def progressed(self, job: Job, progress: Any) -> None:
        self.events.append(("progressed", job.trial.method))

    def finished(self, job: Job, result: Any) -> None:
        self.events.append(("finished", job.trial.method))


def test_results_equal_those_of_this_process_bit_for_bit(
    executor: Executor, make: Make, tmp_path: Path
) -> None:
    from whichpeft.engine.carry_out import carry_out

    kept = tmp_path / "kept"
    jobs = [
        replace(job, work=FinalWork(keep=kept / job.trial.method))
        for job in make("full", "lora:r=2", "zero-shot")
    ]
    kept.mkdir()
    found = {
        job.trial.method: result for job, result in executor.run(jobs, Resources(), SilentObserver())
    }
    assert set(found) == {"full", "lora:r=2", "zero-shot"}
    lora = next(job for job in jobs if job.trial.method == "lora:r=2")
    here = carry_out(replace(lora, work=FinalWork(keep=tmp_path / "here")), lambda progress: None)
    apart = found["lora:r=2"]
    assert (here.predictions["outputs"] == apart.predictions["outputs"]).all()
    assert here.curve == apart.curve
    weights = kept / "lora:r=2" / "adapter_model.safetensors"
    assert weights.read_bytes() == (tmp_path / "here" / "adapter_model.safetensors").read_bytes()


def test_two_run_side_by_side_and_a_profile_alone(executor: Executor, begun: dict[str, Job]) -> None:
    assert executor.concurrency(Resources()) == 2
    assert executor.concurrency(Resources(alone=True)) == 1
    assert executor.setting().device == executor.compute.device.type == "cpu"
    speed = executor.multiply_speed(1)
    assert speed is not None
    assert 1e8 < speed < 1e13


def test_a_job_that_waits_for_another_starts_when_that_has_ended(executor: Executor, make: Make) -> None:
    first, second, other = make("full", "head", "zero-shot")
    seen, ended = Seen(), []

    def in_turn() -> Iterator[Job | None]:
        yield first
        while first.trial.method not in ended:
            yield None
        yield second
        yield other

    for job, _ in executor.run(in_turn(), Resources(), seen):
        ended.append(job.trial.method)
    assert sorted(ended) == sorted(job.trial.method for job in (first, second, other))
    name = second.trial.method
    assert seen.events.index(("finished", first.trial.method)) < seen.events.index(("started", name))
    for job in (first, second, other):
        own = [kind for kind, method in seen.events if method == job.trial.method]
        assert own[0] == "started"
        assert own[-1] == "finished"


def test_a_profile_measures_the_memory_of_its_own_process(executor: Executor, make: Make) -> None:
    job = make("full")[0]
    job = replace(job, trial=replace(job.trial, purpose="profile"), work=ProfileWork())
    ((_, result),) = executor.run([job], Resources(alone=True), SilentObserver())
    assert result.record.setting.beside == 0
    weights = 4 * (result.record.value("total_parameters") or 0)
    peak = result.record.value("peak_memory_bytes")
    assert weights > 0
    assert peak is not None
    # Weights, gradients, two moments and some activations; memory is counted in whole pages.
    assert 3 * weights < peak < 10 * weights + 50_000_000


def test_a_killed_process_is_a_failed_record_and_others_continue(executor: Executor, make: Make) -> None:
    from .odd_methods import Killed

    first, *others = make("full", "head", "zero-shot")
    jobs = [replace(first, method=Killed()), *others]
    found = {
        job.trial.method: result.record
        for job, result in executor.run(jobs, Resources(), SilentObserver())
    }
    outcome = found["full"].outcome
    assert outcome.status == "failed"
    assert "SIGKILL" in (outcome.reason or "")
    assert [record.outcome.status for record in found.values()].count("completed") == 2


def test_a_trial_that_was_ended_resumes_from_its_checkpoint(
    executor: Executor, make: Make, tmp_path: Path
) -> None:
    job, *_ = make("full", epochs=25)
    ((_, undisturbed),) = executor.run([job], Resources(), SilentObserver())
    job = replace(job, checkpoint=tmp_path / "checkpoint")
    (tmp_path / "out").mkdir(exist_ok=True)

    class Enough(Seen):
        def progressed(self, job: Job, progress: Any) -> None:
            if progress.epoch >= 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(executor.run([job], Resources(), Enough()))
    assert (tmp_path / "checkpoint").is_file()
    ((_, resumed),) = executor.run([job], Resources(), SilentObserver())
    assert resumed.record.value("resumed") == 1
    assert (resumed.predictions["outputs"] == undisturbed.predictions["outputs"]).all()
    assert resumed.curve == undisturbed.curve


def test_when_the_time_is_over_no_job_is_taken_and_running_ones_leave_checkpoints(
    executor: Executor, make: Make, tmp_path: Path
) -> None:
    long, short = make("full", epochs=1000)[0], make("head")[0]
    long = replace(long, checkpoint=tmp_path / "checkpoint")
    # Everything that trials need has been imported on each node then.
    assert len(list(executor.run(make("head", "zero-shot"), Resources(), SilentObserver()))) == 2
    until = time.monotonic() + 6
    seen, taken = Seen(), []

    def endless() -> Iterator[Job]:
        yield long
        while True:
            taken.append(time.monotonic())
            yield short

    ended = [job for job, _ in executor.run(endless(), Resources(), seen, until=until)]
    assert time.monotonic() - until < 8
    assert max(taken) < until
    assert ended
    assert {job.trial.method for job in ended} == {"head"}
    assert ("finished", "full") not in seen.events
    assert (tmp_path / "checkpoint").is_file()


def test_nothing_starts_when_the_time_is_over_already(executor: Executor, make: Make) -> None:
    never = iter(make("head"))
    assert list(executor.run(never, Resources(), SilentObserver(), until=time.monotonic() - 1)) == []
    assert next(never) is not None


def test_a_screening_trial_brings_its_checkpoint_for_the_next_rung(
    executor: Executor, make: Make, tmp_path: Path
) -> None:
    from whichpeft.engine.carry_out import carry_out

    (job,) = make("full")
    tuned = replace(job.trial, purpose="tune", number=0)
    screened = replace(
        job, trial=tuned.beginning(4), work=ScreenWork(rungs=(4,)), checkpoint=tmp_path / "checkpoint"
    )
    ((_, first),) = executor.run([screened], Resources(), SilentObserver())
    assert first.record.outcome.reason == "paused after 4 of 10 steps"
    assert (tmp_path / "checkpoint").is_file()
    seen: list[float] = []

    class Later(SilentObserver):
        def progressed(self, job: Job, progress: Any) -> None:
            seen.append(progress.epoch)

    whole = replace(job, trial=tuned, work=TuneWork(rungs=((4, None),)))
    resumed = replace(whole, checkpoint=tmp_path / "checkpoint")
    ((_, last),) = executor.run([resumed], Resources(), Later())
    alone = carry_out(whole, lambda progress: None)
    assert last.curve == alone.curve
    assert last.record.value("validation_score") == alone.record.value("validation_score")
    assert not [epoch for epoch in seen if 0 < epoch <= 0.4]
