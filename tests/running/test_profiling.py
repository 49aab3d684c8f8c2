"""The expected time of a trial, by its profile."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from whichpeft.costs import time_by_flops, time_by_profile
from whichpeft.errors import StudyError
from whichpeft.records import Measurement
from whichpeft.running.profiling import patience_of_run, trial_time
from whichpeft.study import Budget

from .. import builders

CELL: Any = SimpleNamespace(
    study=SimpleNamespace(budget=Budget(epochs=2, batch_size=10)),
    task=SimpleNamespace(counts={"train": 1000, "validation": 100, "test": 300}),
)


def test_generated_answers_take_the_time_that_the_profile_measured() -> None:
    # A trial evaluates 500 examples after its steps.
    profile = builders.profile("full", seconds=20.0, speed=100.0)
    assert trial_time(profile, CELL).likely == pytest.approx(1 + 20 + 0.35 * 500 / 100)
    written = Measurement(
        name="batch_inference_milliseconds", value=4000.0, unit="ms", phase="profile", source="profile"
    )
    profile = replace(profile, measurements=(*profile.measurements, written))
    assert trial_time(profile, CELL).likely == pytest.approx(1 + 20 + 0.4 * 500)


def test_a_method_that_does_not_train_is_evaluated_once() -> None:
    idle = {"train_seconds": 0.0, "batch_inference_milliseconds": 1000.0}
    profile = builders.profile("zero-shot")
    kept = [m for m in profile.measurements if m.name not in (*idle, "samples_per_second")]
    measured = [
        Measurement(name=name, value=value, unit="", phase="profile", source="profile")
        for name, value in idle.items()
    ]
    profile = replace(profile, measurements=(*kept, *measured))
    assert trial_time(profile, CELL).likely == pytest.approx(1 + 0.1 * 400)


def test_the_range_of_a_busy_machine_begins_with_the_time_of_a_quiet_one() -> None:
    quiet = builders.profile("full", seconds=20.0, speed=100.0)
    busy = builders.beside_other_work(builders.profile("full", seconds=80.0, speed=25.0), 0.75)
    calm, slow = trial_time(quiet, CELL), trial_time(busy, CELL)
    assert calm.low < calm.likely < calm.high
    assert slow.low == pytest.approx(calm.low, rel=0.05)
    assert slow.high > slow.likely > 3 * calm.likely


def test_set_up_takes_as_long_as_it_took_the_profile() -> None:
    profile = builders.profile("full", seconds=20.0, speed=100.0)
    loaded = builders.measurements({"seconds": 9.0}, "set-up")
    slower = replace(profile, measurements=(*profile.measurements, *loaded))
    assert trial_time(slower, CELL).likely == pytest.approx(trial_time(profile, CELL).likely + 8)


def test_layers_that_are_computed_once_shorten_all_trials_but_the_first() -> None:
    profile = builders.profile("head", seconds=20.0, speed=100.0)  # a step takes 80 ms
    facts = builders.measurements({"frozen_share": 1.0, "forward_milliseconds": 60.0}, "profile")
    frozen = replace(profile, measurements=(*profile.measurements, *facts))
    whole, once = trial_time(profile, CELL), trial_time(frozen, CELL)
    each = 0.35 / 100
    assert once.low == pytest.approx(0.75 * (1 + 20 * 0.25))
    assert once.likely == pytest.approx(1 + 20 * 0.25 + each * 1400)
    assert once.high == whole.high


def test_a_plan_adds_the_same_parts() -> None:
    budget, counts = CELL.study.budget, CELL.task.counts
    planned = time_by_flops(20.0, 1000, budget, counts)
    timed = time_by_profile(builders.profile("full", seconds=20.0, speed=100.0), budget, counts)
    assert planned.likely == pytest.approx(timed.likely)
    assert planned.low < timed.low < timed.high < planned.high


@pytest.mark.parametrize("text", ["soon", "-1", "inf"])
def test_patience_is_read_from_the_environment(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICHPEFT_PATIENCE", "2.5")
    assert patience_of_run() == 2.5
    monkeypatch.delenv("WHICHPEFT_PATIENCE")
    assert patience_of_run() == 10
    monkeypatch.setenv("WHICHPEFT_PATIENCE", text)
    with pytest.raises(StudyError, match=f"WHICHPEFT_PATIENCE is '{text}'; it has to be seconds"):
        patience_of_run()
