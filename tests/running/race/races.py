"""A small race for tests, and what to compare of two of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import whichpeft as wp
from whichpeft.records import Store
from whichpeft.study import Budget, UntilDecided

METHODS = ("full", "head", "lora:r=2", "bitfit", "ia3")


def study(backbone: Path, task: Path, **auto: Any) -> wp.Study:
    """A small race; costs that are counted, not timed, are the same in every run of it."""
    return wp.Study(
        name="race",
        backbone=str(backbone),
        task=str(task),
        methods=METHODS,
        seeds=UntilDecided(start=2, at_most=3),
        budget=Budget(epochs=2, max_train=128, batch_size=4, tuning_trials=2),
        auto=auto | {"candidates": 2, "by": "trainable"},
    )


def results(folder: Path) -> dict[str, tuple[str, float | None, float | None]]:
    """What each trial came to."""
    return {
        record.trial.fingerprint: (
            record.trial.purpose,
            record.value("validation_score"),
            record.value("score"),
        )
        for record in Store(folder)
        if record.trial.purpose != "profile"
    }


def decisions(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "race.json").read_text())
    return found
