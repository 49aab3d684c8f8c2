"""Learning curves: validation score and training loss of a method's trials, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whichpeft.records import Record

Curves = Callable[[str], Sequence[tuple[int, str, float]] | None]
"""Returns a trial's curve by its fingerprint, as rows of step, name and value; None if it has none."""

SCORE, LOSS = "validation_score", "train_loss"


@dataclass(frozen=True, slots=True)
class Step:
    """A value after a number of optimiser steps."""

    step: int
    """Number of optimiser steps."""

    mean: float
    """Mean over the seeds."""

    low: float
    """Lowest value of a seed."""

    high: float
    """Highest value of a seed."""


def learning_curve(records: Sequence[Record], curves: Curves, name: str) -> list[Step]:
    """Return the values called `name` by step, averaged over the trials of the records.

    Only steps that every trial with a curve reached are included, because the mean would jump after a
    trial that stopped early. Trials of one budget are evaluated at the same few steps.
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
