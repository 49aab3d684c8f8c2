"""Stacked trials give the same results as alone; if they cannot be stacked, a note says why."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from whichpeft.backbones import resolve_backbone
from whichpeft.engine import FinalWork, Job, Placement, Result, TuneWork
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.compute import Compute
from whichpeft.engine.stacked.build import why_not
from whichpeft.engine.stacked.trials import carry_out_stacked
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.encoded_data import write_data

METHODS = [
    "lora:r=2,lora_dropout=0",
    "dora:r=2,lora_dropout=0",
    "ia3",
    "bitfit",
    "vera",
    "series-adapter:bottleneck=4",
    "loreft:rank=2",
    "full",
    "prefix:num_virtual_tokens=4",
]


def make_jobs(
    backbone: Path,
    data: Path,
    scratch: Path,
    methods: Sequence[str],
    *,
    seeds: Sequence[int] = (0,),
    purpose: str = "final",
    keep: Path | None = None,
    **budget: int,
) -> list[Job]:
    """Make one job per seed and method; the methods differ in their learning rates."""
    scratch.mkdir(parents=True, exist_ok=True)
    found, task = resolve_backbone(str(backbone)), load_task(TaskSource(name=str(data)))
    study = Study(
        backbone="tiny",
        task="data",
        methods=methods,
        seeds=seeds,
        budget=Budget(**{"epochs": 2, "max_train": 90, **budget}),
        precision="float32",
    )
    plan = make_plan(study, [found], [task], {text: resolve_method(text) for text in methods})
    path, _ = write_data(task, found, study.budget, scratch)
    jobs = []
    work = FinalWork() if purpose == "final" else TuneWork()
    for number, cell in enumerate(plan.cells):
        assert cell.refusal is None, cell.refusal
        trials = cell.finals if purpose == "final" else [cell.tuning_trial(number, 0)]
        jobs += [
            Job(
                trial=trial,
                backbone=found,
                method=cell.method,
                data=path,
                placement=Placement(device="cpu"),
                work=work,
            )
            for trial in trials
        ]
    if keep is not None:
        jobs = [replace(job, work=FinalWork(keep=keep / job.trial.fingerprint)) for job in jobs]
    return jobs


def stacked(jobs: Sequence[Job]) -> list[Result]:
    return list(carry_out_stacked(replace(jobs[0], stacked_with=tuple(jobs[1:])), lambda progress: None))


def alone(jobs: Sequence[Job]) -> list[Result]:
    return [carry_out(job, lambda progress: None) for job in jobs]


def in_folder(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.name}/{name}": tensor
        for path in folder.glob("*.safetensors")
        for name, tensor in load_file(path).items()
    }


def check_equal(apart: Result, joined: Result) -> None:
    """Assert that records agree to within rounding, except for seconds and setting."""
    assert apart.record.trial == joined.record.trial
    assert apart.record.outcome == joined.record.outcome
    measured = [[m for m in result.record.measurements if m.unit != "s"] for result in (apart, joined)]
    assert [m.name for m in measured[0]] == [m.name for m in measured[1]]
    for one, other in zip(*measured, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-4), one.name
    assert [point[:2] for point in apart.curve] == [point[:2] for point in joined.curve]
    np.testing.assert_allclose(
        [value for *_, value in apart.curve], [value for *_, value in joined.curve], rtol=1e-4
    )
    assert set(apart.predictions) == set(joined.predictions)
    for key, values in apart.predictions.items():
        np.testing.assert_allclose(values, joined.predictions[key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_stacked_seeds_and_rates_give_the_results_of_single_trials(
    method: str, still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    mark = "," if ":" in method else ":"
    texts = [f"{method}{mark}learning_rate={rate}" for rate in (1e-3, 3e-4, 2e-3)]
    jobs: dict[str, list[Job]] = {}
    for way in ("apart", "joined"):
        # Seed 0 with the first rate, 1 with the second, 2 with the third; 90 is not a multiple of 16.
        made = make_jobs(
            still_backbone, reviews, tmp_path / way, texts, seeds=(0, 1, 2), keep=tmp_path / way
        )
        jobs[way] = made[::4]
    apart, joined = alone(jobs["apart"]), stacked(jobs["joined"])
    for one, other, job, same in zip(apart, joined, jobs["apart"], jobs["joined"], strict=True):
        assert one.record.outcome.status == "completed", one.record.outcome
        assert other.note is None, other.note
        assert (one.record.setting.together, other.record.setting.together) == (1, 3)
        check_equal(one, other)
        assert job.keep is not None
        assert same.keep is not None
        here, there = in_folder(job.keep), in_folder(same.keep)
        assert set(here) == set(there)
        for name, tensor in here.items():
            # Softmax does not depend on a key's bias, so only rounding moves it.
            if "key.b" not in name:
                apart_by = (tensor - there[name]).norm() / tensor.norm().clamp(min=1e-6)
                assert apart_by < 1e-4, name


def test_one_trial_stops_early_and_one_diverges_on_its_own(
    still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    texts = [f"bitfit:learning_rate={rate}" for rate in ("0", "1e-2", "1e39")]
    jobs = make_jobs(still_backbone, reviews, tmp_path, texts, epochs=4, early_stopping=1)
    apart, joined = alone(jobs), stacked(jobs)
    assert [result.record.outcome.status for result in joined] == ["completed", "completed", "failed"]
    assert joined[0].record.value("epochs_run") == 2
    assert "not finite" in (joined[2].record.outcome.reason or "")
    for one, other in zip(apart, joined, strict=True):
        if one.record.outcome.status == "completed":
            check_equal(one, other)
        else:
            assert one.record.outcome == other.record.outcome


def test_tuning_trials_compete_with_earlier_ones(
    still_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    texts = [f"bitfit:learning_rate={rate}" for rate in (1e-2, 1e-4, 2e-2)]
    jobs = make_jobs(still_backbone, reviews, tmp_path, texts, purpose="tune")
    # Scores of earlier trials at the only rung; no trial here is among the best third with 0.99.
    work = TuneWork(rungs=((4, None),), earlier_scores=((4, (0.99, 0.99)),))
    jobs = [replace(job, work=work) for job in jobs]
    first, *others = stacked(jobs)
    assert first.record.outcome.status == "completed"  # number 0 is never stopped
    for other in others:
        assert (other.record.outcome.status, other.record.value("steps")) == ("stopped", 4)
        assert "after 4 steps" in (other.record.outcome.reason or "")
        # A rung ranks them by these; the test split is not read.
        assert set(other.predictions) == {"validation_outputs", "validation_labels"}


def test_each_trial_draws_its_own_dropout_and_a_stack_repeats(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    # Two trials that differ only in their dropout: the same seed and nearly the same rate.
    texts = [f"lora:r=2,learning_rate={rate}" for rate in ("1e-3", "1.00001e-3")]
    jobs = make_jobs(tiny_backbone, reviews, tmp_path, texts, epochs=1)
    once, again = stacked(jobs), stacked(jobs)
    assert once[0].note is None
    losses = [[value for _, name, value in result.curve if name == "train_loss"] for result in once]
    assert abs(np.subtract(*losses)).max() > 1e-4
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.predictions["outputs"], other.predictions["outputs"])


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("adalora:r=2", "reads the gradients"),
        ("head", "frozen layers are computed once"),
        ("lokr", "control flow"),
        ("zero-shot", "nothing trains"),
    ],
)
def test_trials_that_cannot_be_stacked_train_alone_with_a_note(
    method: str, reason: str, tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    jobs = make_jobs(tiny_backbone, reviews, tmp_path, [method], seeds=(0, 1))
    assert reason in (why_not(jobs, Compute(torch.device("cpu"), "float32")) or "")
    results = stacked(jobs)
    assert [result.record.outcome.status for result in results] == ["completed"] * 2
    assert reason in (results[0].note or "")
    assert results[1].note is None
    assert {result.record.setting.together for result in results} == {1}
    np.testing.assert_array_equal(
        results[1].predictions["outputs"], alone(jobs[1:])[0].predictions["outputs"]
    )


def test_a_stacked_step_agrees_in_bfloat16_too(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    jobs = make_jobs(tiny_backbone, reviews, tmp_path, ["lora:r=2"], seeds=(0, 1, 2))
    assert why_not(jobs, Compute(torch.device("cpu"), "bfloat16")) is None


def test_each_trial_has_the_running_means_of_its_own_data(
    shapes: Path, tiny_vits: dict[int, Path], tmp_path: Path
) -> None:
    from transformers import ResNetConfig, ResNetModel

    folder = tmp_path / "tiny-resnet"
    torch.manual_seed(0)
    config = ResNetConfig(
        num_channels=3, embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"
    )
    ResNetModel(config).save_pretrained(folder)
    shutil.copy(tiny_vits[3] / "preprocessor_config.json", folder)
    jobs = make_jobs(
        folder, shapes, tmp_path / "data", ["full:learning_rate=1e-3"], seeds=(0, 1), max_train=40
    )
    for one, other in zip(alone(jobs), stacked(jobs), strict=True):
        assert other.note is None, other.note
        check_equal(one, other)


def test_steps_are_timed_both_ways_if_memory_is_known(
    tiny_backbone: Path, reviews: Path, tmp_path: Path
) -> None:
    from whichpeft.engine.stacked.speedup import seconds_apart, seconds_stacked, time_stacked

    jobs = make_jobs(tiny_backbone, reviews, tmp_path, ["lora:r=2"], seeds=(0, 1))
    compute = Compute(torch.device("cpu"), "float32")
    assert seconds_apart(jobs, compute) > 0
    assert seconds_stacked(jobs, compute) > 0
    assert time_stacked(jobs[0], 2, None) == ([], None)


def test_a_profile_does_not_fail_if_trials_cannot_be_stacked(
    tiny_backbone: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whichpeft.engine.stacked import speedup

    monkeypatch.setattr(speedup, "_that_fit", lambda compute, peak: 8)
    # 20 examples make a batch of 16 and one of 4, whose order differs among 8 seeds.
    jobs = make_jobs(tiny_backbone, reviews, tmp_path, ["lora:r=2"], max_train=20)
    found, note = speedup.time_stacked(jobs[0], 8, 1.0)
    assert found == []
    assert "too few batches" in (note or "")


def test_steps_one_by_one_are_timed_only_if_the_method_can_be_stacked(
    tiny_backbone: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whichpeft.engine.stacked import speedup

    monkeypatch.setattr(speedup, "_that_fit", lambda compute, peak: 2)
    monkeypatch.setattr(speedup, "seconds_apart", lambda *arguments: pytest.fail("timed for nothing"))
    for method, reason in (("adalora", "its own part of a step"), ("head", "frozen layers")):
        jobs = make_jobs(tiny_backbone, reviews, tmp_path, [method])
        found, note = speedup.time_stacked(jobs[0], 2, 1.0)
        assert found == []
        assert reason in (note or "")
