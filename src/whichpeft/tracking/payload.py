"""What is sent to a tracker: one run per trial, named after the trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from whichpeft.records import Record

Curve = Sequence[tuple[int, str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A trial in the form that trackers take."""

    name: str
    """Name of the run; it is safe as a file name."""
    values: Mapping[str, str | float]
    """Hyperparameters and what else identifies the trial."""
    curve: Curve
    """Losses and scores: step, name and value."""
    final: Mapping[str, float]
    """Measurements, by ``phase/name``."""
    outcome: str
    """``completed``, ``stopped``, ``failed`` or ``refused``."""
    reason: str | None
    """Why the trial did not complete."""


class Tracker(Protocol):
    """Where trials are sent to. Its methods may raise any error of its library."""

    def send(self, sent: Sent) -> None:
        """Send a trial."""


class Opens(Protocol):
    """Opens a tracker for the study of that name. The tracker may write into the run folder."""

    def __call__(self, study: str, folder: Path) -> Tracker: ...


def sent_of(record: Record, curve: Curve) -> Sent:
    """Return what is sent of a trial's record; numbers that are not finite are left out."""
    trial, outcome = record.trial, record.outcome
    # A tuning trial's number and the start of the fingerprint make the name unique.
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
        curve=[(step, metric, value) for step, metric, value in curve if math.isfinite(value)],
        final={
            f"{measured.phase or 'trial'}/{measured.name}": measured.value
            for measured in record.measurements
            if math.isfinite(measured.value)
        },
        outcome=outcome.status,
        reason=outcome.reason,
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str | float]:
    """Flatten hyperparameters; those of a composition's parts become ``part.key``."""
    found: dict[str, str | float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = value
        else:
            found[f"{prefix}{key}"] = str(value)
    return found
