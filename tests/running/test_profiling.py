"""The expected time of a trial, by its profile."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from whichpeft.errors import StudyError
from whichpeft.records import Measurement
from whichpeft.running.profiling import patience_of_run, trial_seconds
from whichpeft.study import Budget

from .. import builders

CELL: Any = SimpleNamespace(
    study=SimpleNamespace(budget=Budget(epochs=2, batch_size=10)),
    task=SimpleNamespace(counts={"train": 1000, "validation": 100, "test": 300}),
)


def test_generated_answers_take_the_time_that_the_profile_measured() -> None:
    # A trial evaluates 500 examples after its steps.
    profile = builders.profile("full", seconds=20.0, speed=100.0)
    assert trial_seconds(profile, CELL) == pytest.approx(1 + 20 + 0.35 * 500 / 100)
    written = Measurement(
        name="batch_inference_milliseconds", value=4000.0, unit="ms", phase="profile", source="profile"
    )
    profile = replace(profile, measurements=(*profile.measurements, written))
    assert trial_seconds(profile, CELL) == pytest.approx(1 + 20 + 0.4 * 500)


def test_a_method_that_does_not_train_is_evaluated_once() -> None:
    idle = {"train_seconds": 0.0, "batch_inference_milliseconds": 1000.0}
    profile = builders.profile("zero-shot")
    kept = [m for m in profile.measurements if m.name not in (*idle, "samples_per_second")]
    measured = [
        Measurement(name=name, value=value, unit="", phase="profile", source="profile")
        for name, value in idle.items()
    ]
    profile = replace(profile, measurements=(*kept, *measured))
    assert trial_seconds(profile, CELL) == pytest.approx(1 + 0.1 * 400)


@pytest.mark.parametrize("text", ["soon", "-1", "inf"])
def test_patience_is_read_from_the_environment(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICHPEFT_PATIENCE", "2.5")
    assert patience_of_run() == 2.5
    monkeypatch.delenv("WHICHPEFT_PATIENCE")
    assert patience_of_run() == 10
    monkeypatch.setenv("WHICHPEFT_PATIENCE", text)
    with pytest.raises(StudyError, match=f"WHICHPEFT_PATIENCE is '{text}'; it has to be seconds"):
        patience_of_run()
