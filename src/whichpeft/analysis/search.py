"""The search of a method: its tuning trials and the best of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.records import Record
from whichpeft.records.selection import best_trial, validation_score
from whichpeft.units import join_words, plural


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchTrial:
    """A tuning trial of a search."""

    number: int
    """Place in the search; 0 is the default, the others sample the search space."""

    values: Mapping[str, Any]
    """Hyperparameters by name; those of a composition's parts as ``lora.r``."""

    score: float | None
    """Best validation score reached, a fraction; None if there is none."""

    status: str
    """``completed``, ``stopped`` (early, so it might have reached a higher score) or ``failed``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """The search of a method."""

    method: str
    """The method as written in the study."""

    trials: tuple[SearchTrial, ...]
    """The tuning trials by number."""

    best: SearchTrial | None
    """The trial that `best_trial` picks; None if no trial finished."""

    @property
    def default(self) -> SearchTrial | None:
        """Return the trial of the default hyperparameters; None if it was not run."""
        return next((trial for trial in self.trials if trial.number == 0), None)

    @property
    def sample(self) -> tuple[SearchTrial, ...]:
        """Return the trials that sample the search space evenly, which are all but the default."""
        return tuple(trial for trial in self.trials if trial.number > 0)


def read_search(method: str, tunes: Iterable[Record]) -> Search:
    """Return the search of a method from its tuning records."""
    records = sorted(tunes, key=lambda record: record.trial.number or 0)
    trials = [_read_trial(record) for record in records]
    chosen = best_trial(records)
    best = next((t for t, record in zip(trials, records, strict=True) if record is chosen), None)
    return Search(method=method, trials=tuple(trials), best=best)


def shared_seed_note(methods: Iterable[MethodRecords]) -> str | None:
    """Return what it means if searches and final trials share a seed, as in folders of earlier versions.

    Returns None if they share none, or if no search had a choice.
    """
    seeds = {
        seed
        for records in methods
        if records.variant == "tuned" and len(records.search) > 1
        for seed in records.seeds_of_search
    }
    if not seeds:
        return None
    shared = f"{plural('seed', len(seeds))} {join_words(map(str, sorted(seeds)))}"
    return (
        f"the searches trained on {shared}, and so did final trials: each tuned score counts the run "
        "that won its search, so it is a little too high (with three seeds by 0.2 to 0.35 points in "
        "simulations); default scores are not"
    )


def _read_trial(record: Record) -> SearchTrial:
    score = validation_score(record)
    if score is None or record.outcome.status not in ("completed", "stopped"):
        score, status = None, "failed"
    else:
        status = record.outcome.status
    return SearchTrial(
        number=record.trial.number or 0,
        values=dict(_flat(record.trial.hyperparameters)),
        score=score,
        status=status,
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
