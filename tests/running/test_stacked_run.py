"""A run with stacked trials gives the same records as a run without."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import whichpeft as wp
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.errors import StudyError
from whichpeft.executors import SilentObserver
from whichpeft.methods import resolve_method
from whichpeft.records import Measurement, Outcome, Record, Setting, Store
from whichpeft.running.stages import Stages
from whichpeft.running.trial_stacking import check_batch_trials, max_stacked, stack_jobs, trials_to_time
from whichpeft.study import Budget, Conditions, Trial
from whichpeft.tasks import Prompted, generative_task
from whichpeft.testing.small_tasks import small_task


class Heard(SilentObserver):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.slow
def test_a_tuned_run_has_the_same_records_if_trials_are_stacked(
    still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    study = wp.Study(
        backbone=str(still_backbone),
        task=str(reviews),
        methods=["full", "bitfit", "adalora:r=2"],
        seeds=2,
        budget=Budget(epochs=2, tuning_trials=3, max_train=90),
        precision="float32",
    )
    found: dict[str, dict[str, Record]] = {}
    heard = Heard()
    for option in ("off", "4"):
        out = tmp_path / option
        wp.run(study, out=out, device="cpu", batch_trials=option, observer=heard)
        found[option] = {record.trial.fingerprint: record for record in Store(out)}
    assert set(found["off"]) == set(found["4"])
    for name, single in found["off"].items():
        stacked = found["4"][name]
        assert single.outcome == stacked.outcome
        for measured in ("validation_score", "score", "best_epoch", "steps", "trainable_parameters"):
            expected = single.value(measured)
            if expected is None:
                assert stacked.value(measured) is None
            else:
                assert stacked.value(measured) == pytest.approx(expected, rel=1e-4), measured
        assert single.setting.together == 1
        several = single.trial.purpose != "profile" and single.trial.method in ("full", "bitfit")
        assert (stacked.setting.together > 1) == several
    (said,) = [line for line in heard.lines if "one by one" in line]
    assert said.startswith("trials of adalora:r=2 are trained one by one: its own part of a step reads")


def test_an_unknown_value_of_batch_trials_is_refused(tmp_path: Path) -> None:
    for option in ("auto", "off", "2", "16"):
        assert check_batch_trials(option) == option
    for option in ("0", "1", "-3", "all", "2.5"):
        with pytest.raises(StudyError, match="--batch-trials"):
            check_batch_trials(option)
    with pytest.raises(StudyError, match="auto, off"):
        wp.run(out=tmp_path, batch_trials="some")
    assert not list(tmp_path.iterdir())


def trial(seed: int, method: str = "lora:r=2") -> Trial:
    return Trial(
        purpose="final",
        backbone="b",
        backbone_revision="1",
        task="t",
        data="d",
        method=method,
        method_id=method,
        hyperparameters=resolve_method(method).hyperparameters,
        seed=seed,
        budget=Budget(),
        conditions=Conditions(precision="float32"),
    )


def profile(**values: float) -> Record:
    measurements = [
        Measurement(name=name, value=value, unit="count", phase="profile", source="profile")
        for name, value in ({"trainable_parameters": 10} | values).items()
    ]
    return Record(
        trial=trial(0),
        setting=Setting(),
        outcome=Outcome(status="completed"),
        measurements=tuple(measurements),
    )


def test_auto_stacks_if_measured_faster_and_a_number_if_memory_suffices() -> None:
    assert trials_to_time("auto", "cpu", 5) == trials_to_time("4", "cuda:0", 5) == 0
    assert trials_to_time("auto", "cuda:0", 5) == 5
    assert trials_to_time("auto", "cuda:0", 1) == 0


def test_trials_of_language_models_are_not_timed_together() -> None:
    run: Any = SimpleNamespace(batch_trials="auto", device="cuda:0")
    study = SimpleNamespace(budget=Budget())
    example = [Prompted(prompt="one", completion="two")]
    written = generative_task("t", train=example, validation=example, test=example)
    for task, count in ((small_task(), 3), (written, 0)):
        cell: Any = SimpleNamespace(task=task, study=study, finals=[0, 1, 2])
        assert Stages._trials_to_time(run, cell) == count
    assert max_stacked("auto", profile(batched_trials=5, batched_speedup=1.3), "cuda:0") == 5
    assert max_stacked("auto", profile(batched_trials=5, batched_speedup=1.1), "cuda:0") == 1
    assert max_stacked("auto", profile(), "cpu") == 1
    assert max_stacked("4", profile(peak_memory_bytes=1000), "cpu") == 4
    assert max_stacked("4", profile(peak_memory_bytes=1e15), "cpu") == 1
    assert max_stacked("4", profile(), "mps") == 1  # the memory of mps is not known
    assert max_stacked("4", profile(peak_memory_bytes=1000, trainable_parameters=0), "cpu") == 1
    assert max_stacked("off", profile(peak_memory_bytes=1000), "cpu") == 1


def test_similar_jobs_are_stacked_and_every_device_gets_work(tmp_path: Path) -> None:
    def job(seed: int, method: str) -> Job:
        return Job(
            trial=trial(seed, method),
            backbone=None,  # type: ignore[arg-type]
            method=resolve_method(method),
            data=tmp_path,
            placement=Placement(device="cpu"),
            work=FinalWork(),
        )

    rates = ("lora:r=2", "lora:r=2,learning_rate=1e-2")
    jobs = [job(seed, method) for seed in range(3) for method in (*rates, "lora:r=4")]

    def sizes(most: int, concurrency: int) -> list[int]:
        return [len(one.members) for one in stack_jobs(jobs, lambda job: most, concurrency=concurrency)]

    assert sizes(1, 1) == [1] * 9
    assert sizes(8, 1) == [6, 3]
    assert sizes(4, 1) == [3, 3, 3]
    assert sizes(8, 4) == [3, 3, 3]
    first = stack_jobs(jobs, lambda job: 8, concurrency=1)[0]
    assert {member.method.hyperparameters["r"] for member in first.members} == {2}
    assert [member.trial.seed for member in first.members] == [0, 0, 1, 1, 2, 2]
