"""What an arm showed on the validation split after some steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whichpeft.records.race import Arm


@dataclass(frozen=True, slots=True)
class RungScore:
    """Validation of an arm after a number of steps."""

    score: float | None
    """The score, a fraction; None if the arm failed."""

    loss: float | None = None
    """The mean loss; None if the outputs do not give one."""

    examples: int = 0
    """Training examples that it took since the arm's rung before."""

    seconds: float = 0.0
    """Seconds that it took since then, set-up and validation included."""


RungScores = Mapping[tuple[Arm, int], RungScore]
"""Validations by arm and by the optimiser steps after which they were made."""
