"""Learning curves: what a method's trials scored and lost on the way, its seeds together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whichpeft.records import Record

Curves = Callable[[str], Sequence[tuple[int, str, float]] | None]
"""From a trial's fingerprint to its curve, as rows of step, name and value; None where it left none."""

SCORE, LOSS = "validation_score", "train_loss"


@dataclass(frozen=True, slots=True)
class Step:
    """A value after so many optimiser steps: the mean of the seeds, and the least and the largest."""

    step: int
    mean: float
    low: float
    high: float


def learning_curve(records: Sequence[Record], curves: Curves, name: str) -> list[Step]:
    """Return the values called `name` by step, the mean over the records' trials.

    Only steps that every trial with a curve reached are there: where one stopped early, a mean of the
    others would jump. Steps are few, so trials of one budget have them in common.
    """
    found = []
    for record in records:
        rows = curves(record.trial.fingerprint)
        own = {step: value for step, kind, value in rows or () if kind == name and math.isfinite(value)}
        if own:
            found.append(own)
    if not found:
        return []
    shared = set.intersection(*(set(own) for own in found))
    steps = []
    for step in sorted(shared):
        values = [own[step] for own in found]
        steps.append(Step(step, sum(values) / len(values), min(values), max(values)))
    return steps
