"""What a search trains on, and the best of its trials, by validation score."""

from __future__ import annotations

from collections.abc import Iterable

from whichpeft.records.record import Record, finite

SEARCH_SEED = 2**32 - 1
"""Seed of the searches of a new run folder: the largest one that numpy takes.

If a final trial had it too, it would be the very run that won the search, and its score too high. No
study reaches this seed by counting from 0, however many seeds it gets later. One that names it is
refused.
"""


def search_seed(records: Iterable[Record]) -> int:
    """Return the seed of the searches in a run folder with these records.

    A folder keeps the seed of the searches that it has, so that they continue and are not run again.
    Earlier versions used seed 0.
    """
    seeds = (record.trial.seed for record in records if record.trial.purpose == "tune")
    return min(seeds, default=SEARCH_SEED)


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
