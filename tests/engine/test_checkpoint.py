"""Checkpoints: a trial interrupted anywhere ends bit for bit as it would have without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.engine import Job, Result
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.checkpoint import PREEMPTION, Preempted
from whichpeft.methods import methods

TYPED = ("trainable-tokens:token_indices=[101,102]", "adalora+ia3", "prefix+lora")


@pytest.fixture(autouse=True)
def no_preemption() -> Any:
    yield
    PREEMPTION.requested = PREEMPTION.polled = False


def interrupted_at_every_step(job: Job) -> tuple[Result, int]:
    """Run a trial in as many parts as it has steps: each ends at the first opportunity."""
    for parts in range(100):
        PREEMPTION.requested = True
        try:
            return carry_out(job, lambda progress: None), parts
        except Preempted:
            assert job.checkpoint is not None
            assert job.checkpoint.is_file()
    raise AssertionError("the trial never finishes")


@pytest.mark.parametrize(
    "method",
    [
        "full:learning_rate=3e-3",
        "lora:r=2,lora_dropout=0.1",
        "bitfit",
        "prefix:num_virtual_tokens=4",
        "lora:r=2+bitfit",
        "vera",
    ],
)
def test_a_trial_interrupted_at_every_step_is_bit_for_bit_the_same(
    method: str, trials: Any, tmp_path: Path
) -> None:
    job = trials.job(method, epochs=3)
    whole = carry_out(job, lambda progress: None)
    assert whole.record.outcome.status == "completed", whole.record.outcome
    cut, parts = interrupted_at_every_step(replace(job, checkpoint=tmp_path / "c.safetensors"))
    assert parts >= 6
    same_result(cut, whole)
    assert cut.record.value("resumed") == parts


def test_adalora_resumes_with_the_ranks_it_had(trials: Any, tmp_path: Path) -> None:
    job = trials.job("adalora:r=2,init_r=4", epochs=6)
    whole = carry_out(job, lambda progress: None)
    cut, parts = interrupted_at_every_step(replace(job, checkpoint=tmp_path / "c.safetensors"))
    assert parts >= 12
    same_result(cut, whole)


def same_result(cut: Result, whole: Result) -> None:
    assert set(cut.predictions) == set(whole.predictions)
    for name, array in whole.predictions.items():
        np.testing.assert_array_equal(cut.predictions[name], array)
    assert list(cut.curve) == list(whole.curve)
    for name in (
        *("score", "validation_score", "validation_loss", "best_epoch", "epochs_run", "steps"),
        "examples_trained",
    ):
        assert cut.record.value(name) == whole.record.value(name), name


def test_early_stopping_and_the_best_weights_survive(trials: Any, tmp_path: Path) -> None:
    job = trials.job("full:learning_rate=3e-2", epochs=8, early_stopping=2)
    whole = carry_out(job, lambda progress: None)
    cut, _ = interrupted_at_every_step(replace(job, checkpoint=tmp_path / "c.safetensors"))
    same_result(cut, whole)


def test_the_time_of_all_parts_counts(trials: Any, tmp_path: Path) -> None:
    job = replace(trials.job("bitfit"), checkpoint=tmp_path / "c.safetensors")
    cut, parts = interrupted_at_every_step(job)
    assert parts > 1
    seconds = [m.value for m in cut.record.measurements if m.name == "seconds"]
    total = cut.record.value("total_seconds")
    assert total == pytest.approx(sum(seconds))
    alone = carry_out(replace(job, checkpoint=None), lambda progress: None)
    assert total > alone.record.value("total_seconds")
    assert cut.record.value("seconds", "save") > 0


def test_a_checkpoint_is_written_once_its_time_has_come(trials: Any, tmp_path: Path) -> None:
    job = replace(trials.job("bitfit"), checkpoint=tmp_path / "c.safetensors")
    carry_out(job, lambda progress: None)
    assert not (tmp_path / "c.safetensors").exists()  # a minute has not passed
    carry_out(replace(job, checkpoint_every=0.0), lambda progress: None)
    assert (tmp_path / "c.safetensors").is_file()


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "another trial's"])
def test_a_checkpoint_that_does_not_fit_is_ignored(damage: str, trials: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    job = trials.job("bitfit")
    whole = carry_out(job, lambda progress: None)
    source = job if damage != "another trial's" else trials.job("bitfit", seed=1)
    carry_out(replace(source, checkpoint=path, checkpoint_every=0.0), lambda progress: None)
    content = path.read_bytes()
    path.write_bytes(
        {"cut": content[: len(content) // 2], "empty": b"", "noise": bytes(1000)}.get(damage, content)
    )
    found = carry_out(replace(job, checkpoint=path), lambda progress: None)
    same_result(found, whole)
    assert found.record.value("resumed") is None


@pytest.mark.slow
@pytest.mark.parametrize("method", [*TYPED, *sorted(set(methods()) - {"trainable-tokens"})])
def test_every_method_resumes_bit_for_bit(method: str, trials: Any, tmp_path: Path) -> None:
    try:
        job = trials.job(method, epochs=2, max_train=48)  # three steps and a validation each
    except ValueError as refusal:
        pytest.skip(str(refusal))
    whole = carry_out(job, lambda progress: None)
    assert whole.record.outcome.status == "completed", whole.record.outcome
    cut, parts = interrupted_at_every_step(replace(job, checkpoint=tmp_path / "c.safetensors"))
    assert parts >= 4 or not whole.record.value("trainable_parameters")
    same_result(cut, whole)
