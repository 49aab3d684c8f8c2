"""The best tuning trial, by its validation score."""

from __future__ import annotations

from collections.abc import Iterable

from whichpeft.records.record import Record, finite


def best_trial(tunes: Iterable[Record]) -> Record | None:
    """Return the tuning trial with the best validation score, the earlier one if two are equal.

    Only trials that finished count: a trial that was stopped or failed has no score to compare. Returns
    None if there is none. The default is number 0, so it is kept unless another trial is better.
    """
    done = [
        record
        for record in tunes
        if record.outcome.status == "completed" and validation_score(record) is not None
    ]
    return min(
        done,
        key=lambda record: (-(validation_score(record) or 0.0), record.trial.number or 0),
        default=None,
    )


def validation_score(record: Record) -> float | None:
    """Return the best validation score of a trial, as a fraction."""
    return finite(record.value("validation_score", "validate"))
