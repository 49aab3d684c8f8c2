"""What a tracker is told of a trial: one run each, named after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from whichpeft.records import Record

Curve = Sequence[tuple[int, str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A trial as trackers take it.

    name: of the run, safe as the name of a file. values: hyperparameters and what else identifies the
    trial, text and numbers. curve: step, name and value. final: measurements by ``phase/name``.
    outcome: completed, stopped, failed or refused; reason: of one that did not complete.
    """

    name: str
    values: Mapping[str, str | float]
    curve: Curve
    final: Mapping[str, float]
    outcome: str
    reason: str | None


class Tracker(Protocol):
    """A place that runs are sent to. Raises whatever its library raises; the run goes on."""

    def send(self, sent: Sent) -> None: ...


class Opens(Protocol):
    """Opens a tracker for a study by name, whose run folder it may keep things in."""

    def __call__(self, study: str, folder: Path) -> Tracker: ...


def sent_of(record: Record, curve: Curve) -> Sent:
    """Return what is told of a trial's record; numbers that are not finite are left out."""
    trial, outcome = record.trial, record.outcome
    # A tuning trial's place in its search, and the start of its fingerprint, tell trials apart.
    number = "" if trial.number is None else f"-{trial.number}"
    parts = (trial.backbone, trial.task, trial.method, f"{trial.purpose}{number}", f"seed{trial.seed}")
    name = "_".join([*parts, trial.fingerprint[:8]])
    values: dict[str, str | float] = {
        "backbone": trial.backbone,
        "task": trial.task,
        "method": trial.method_id,
        "purpose": trial.purpose,
        "seed": trial.seed,
        "fingerprint": trial.fingerprint,
        **_flat(trial.hyperparameters),
    }
    return Sent(
        name="".join(c if c.isalnum() or c in "-_.+=" else "-" for c in name),
        values=values,
        curve=[(step, what, value) for step, what, value in curve if math.isfinite(value)],
        final={
            f"{found.phase or 'trial'}/{found.name}": found.value
            for found in record.measurements
            if math.isfinite(found.value)
        },
        outcome=outcome.status,
        reason=outcome.reason,
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str | float]:
    """Flatten hyperparameters; those of a composition's parts become ``part.key``."""
    found: dict[str, str | float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            found[f"{prefix}{key}"] = value if number else str(value)
    return found
