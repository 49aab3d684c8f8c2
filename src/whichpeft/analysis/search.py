"""The search of a method: its tuning trials, and which of them is the best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whichpeft.records import Record
from whichpeft.records.selection import best_trial, validation_score


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchTrial:
    """A tuning trial: its place in the search, what was tried and what came of it.

    values: the hyperparameters by name, those of a composition's parts as ``lora.r``.
    score: the best validation score reached, a fraction; None where the trial gave none.
    status: ``completed``, ``stopped`` (it fell behind, so its score is the least it could have
    reached) or ``failed``.
    """

    number: int
    values: Mapping[str, Any]
    score: float | None
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What the search of a method tried, by number: 0 is the default, the others sample its space.

    best: the one that `best_trial` picks; None where no trial came to its end.
    """

    method: str
    trials: tuple[SearchTrial, ...]
    best: SearchTrial | None

    @property
    def default(self) -> SearchTrial | None:
        """Return the trial of the method as it comes, where it was run."""
        return next((trial for trial in self.trials if trial.number == 0), None)

    @property
    def sample(self) -> tuple[SearchTrial, ...]:
        """Return the trials that sample the search space evenly: all but the default."""
        return tuple(trial for trial in self.trials if trial.number > 0)


def read_search(method: str, tunes: Iterable[Record]) -> Search:
    """Read the tuning records of one method, as typed."""
    records = sorted(tunes, key=lambda record: record.trial.number or 0)
    trials = [_read_trial(record) for record in records]
    chosen = best_trial(records)
    best = next((t for t, record in zip(trials, records, strict=True) if record is chosen), None)
    return Search(method=method, trials=tuple(trials), best=best)


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


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
