"""Screening trials: they pause at a rung, and continue from there as if they had not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.engine import Job, Progress, Result
from whichpeft.engine.carry_out import carry_out
from whichpeft.engine.checkpoint import PREEMPTION, Preempted
from whichpeft.methods import methods

METHODS = ["full:learning_rate=3e-3", "lora:r=2,lora_dropout=0.1", "head", "adalora:r=2,init_r=4"]
RUNGS = (3, 10, 16)  # within an epoch, at the end of one, and within the next; there are 20 steps


@pytest.fixture(autouse=True)
def no_preemption() -> Any:
    yield
    PREEMPTION.requested = PREEMPTION.polled = False


def whole_trial(trials: Any, method: str, **budget: int) -> Job:
    job: Job = trials.job(method, purpose="tune", rungs=tuple((s, None) for s in RUNGS), **budget)
    return job


def screens(trials: Any, method: str, **budget: int) -> list[Job]:
    """Return a screening trial for each rung."""
    rungs = tuple((step, None) for step in RUNGS)
    return [
        trials.job(method, purpose="screen", rungs=rungs, stop_after=step, **budget) for step in RUNGS
    ]


def in_turn(jobs: Sequence[Job], checkpoint: Path, *, delete: bool = False) -> list[Result]:
    """Carry jobs out that share a checkpoint, which may be deleted after each of them."""
    found = []
    for job in jobs:
        found.append(carry_out(replace(job, checkpoint=checkpoint), lambda progress: None))
        assert checkpoint.is_file()
        if delete:
            checkpoint.unlink()
    return found


def facts(result: Result) -> dict[tuple[str, str], float]:
    """Return what a trial measured, without seconds."""
    return {(m.name, m.phase): m.value for m in result.record.measurements if m.unit != "s"}


def check_same(one: Result, other: Result) -> None:
    assert one.record.outcome == other.record.outcome
    assert facts(one) == facts(other)
    assert list(one.curve) == list(other.curve)
    assert set(one.predictions) == set(other.predictions)
    for name, array in one.predictions.items():
        np.testing.assert_array_equal(array, other.predictions[name])


@pytest.mark.parametrize("method", METHODS)
def test_rungs_one_after_another_are_the_whole_trial_bit_for_bit(
    method: str, trials: Any, tmp_path: Path
) -> None:
    whole = carry_out(whole_trial(trials, method), lambda progress: None)
    jobs = [*screens(trials, method), whole_trial(trials, method)]
    chained = in_turn(jobs, tmp_path / "kept")
    anew = in_turn(jobs[:-1], tmp_path / "lost", delete=True)
    check_same(chained[-1], whole)
    for resumed, from_the_start in zip(chained, anew, strict=False):
        check_same(resumed, from_the_start)


def test_a_resumed_trial_trains_only_on_what_is_left(trials: Any, tmp_path: Path) -> None:
    seen: list[float] = []
    for job in (*screens(trials, METHODS[1]), whole_trial(trials, METHODS[1])):
        seen.append(2.0)

        def report(progress: Progress) -> None:
            if progress.phase == "fit":
                seen[-1] = min(seen[-1], progress.epoch)

        carry_out(replace(job, checkpoint=tmp_path / "c"), report)
    # The first report of each comes with its first reading of the loss, at the next rung or the end.
    assert seen == [0.3, 1.0, 1.6, 2.0]


def test_a_rung_has_the_validation_of_its_own_step(trials: Any, tmp_path: Path) -> None:
    whole = carry_out(whole_trial(trials, METHODS[0]), lambda progress: None)
    curve = {(step, name): value for step, name, value in whole.curve}
    for step, result in zip(RUNGS, in_turn(screens(trials, METHODS[0]), tmp_path / "c"), strict=True):
        record = result.record
        assert (record.outcome.status, record.outcome.phase) == ("stopped", "validate")
        assert record.outcome.reason == f"paused after {step} of 20 steps"
        assert (record.value("steps"), record.value("examples_trained")) == (step, 16 * step)
        assert record.value("validation_score") == curve[step, "validation_score"]
        assert record.value("validation_loss") == curve[step, "validation_loss"]
        assert record.value("score") is record.value("seconds", "test") is None
        assert set(result.predictions) == {"validation_outputs", "validation_labels"}
        assert list(result.curve) == [point for point in whole.curve if point[0] <= step]


def test_a_rung_whose_record_was_not_written_is_validated_again(trials: Any, tmp_path: Path) -> None:
    jobs = screens(trials, METHODS[1])
    for job in (*jobs, whole_trial(trials, METHODS[1])):
        once, again = (in_turn([job], tmp_path / "c")[0] for _ in range(2))
        check_same(once, again)
    # The checkpoint of a longer trial does not help a shorter one.
    check_same(*(in_turn(jobs[:1], tmp_path / name)[0] for name in ("c", "other")))


def test_a_rung_that_is_interrupted_ends_the_same(trials: Any, tmp_path: Path) -> None:
    jobs = screens(trials, METHODS[1])
    undisturbed = in_turn(jobs, tmp_path / "undisturbed")
    for job, expected in zip(jobs, undisturbed, strict=True):
        job = replace(job, checkpoint=tmp_path / "c")
        parts = 0
        while True:
            PREEMPTION.requested = True
            try:
                found = carry_out(job, lambda progress: None)
                break
            except Preempted:
                parts += 1
        resumed = found.record.value("resumed")
        assert resumed is not None
        assert resumed >= parts > 1
        found = replace(found, record=replace(found.record, measurements=tuple(
            m for m in found.record.measurements if m.name != "resumed"
        )))  # fmt: skip
        check_same(found, expected)


def test_a_trial_that_stops_early_says_so_at_each_later_rung(trials: Any, tmp_path: Path) -> None:
    method = "head:learning_rate=0"
    options = {"epochs": 6, "early_stopping": 1}  # the second epoch cannot be better
    rungs = tuple((step, None) for step in (10, 30, 40))
    jobs = [
        trials.job(method, purpose="screen", rungs=rungs, stop_after=step, **options)
        for step, _ in rungs
    ]
    tuned = trials.job(method, purpose="tune", rungs=rungs, **options)
    first, second, third, last = in_turn([*jobs, tuned], tmp_path / "c")
    assert first.record.outcome.reason == "paused after 10 of 60 steps"
    for result in (second, third):
        assert result.record.outcome.reason == "stopped early, after 20 of 60 steps"
        assert result.record.value("validation_score") == last.record.value("validation_score")
    check_same(last, carry_out(tuned, lambda progress: None))


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(set(methods()) - {"trainable-tokens"}))
def test_every_method_pauses_within_an_epoch_and_at_its_end(
    method: str, trials: Any, tmp_path: Path
) -> None:
    rungs, small = ((2, None), (3, None)), {"epochs": 2, "max_train": 48}  # three steps in an epoch
    try:
        whole = trials.job(method, purpose="tune", rungs=rungs, **small)
    except ValueError as refusal:
        pytest.skip(str(refusal))
    undisturbed = carry_out(whole, lambda progress: None)
    assert undisturbed.record.outcome.status == "completed", undisturbed.record.outcome
    if not undisturbed.record.value("trainable_parameters"):
        pytest.skip("it trains nothing")
    jobs = [
        trials.job(method, purpose="screen", rungs=rungs, stop_after=step, **small) for step, _ in rungs
    ]
    *_, last = in_turn([*jobs, whole], tmp_path / "c")
    check_same(last, undisturbed)
