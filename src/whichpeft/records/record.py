"""Record: a trial, its outcome, its measurements and its setting, as JSON with a schema version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from whichpeft.errors import NewerRecord, RecordError, StudyError
from whichpeft.study.conditions import FIRST_CONDITIONS, condition_infos
from whichpeft.study.spec import Trial

SCHEMA = 2  # 2: tuning trials, and trials that were stopped

Status = Literal["completed", "stopped", "failed", "refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """A number with its unit, the phase it was taken in and where it comes from.

    low, high: the quartiles of repeated readings, where there were several.
    """

    name: str
    value: float
    unit: str
    phase: str
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a trial ended; `phase` and `reason` say where and why it did not complete.

    A tuning trial that fell behind the others of its search is `stopped`.
    """

    status: Status
    phase: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Where and with what a trial ran.

    hardware: processor, cores, memory in bytes, accelerator.
    versions: Python, torch, transformers, peft, whichpeft.
    device, precision: what the trial computed on and in.
    beside: how many other trials the executor let run at the same time.
    together: how many trials trained as one model, this one included.
    """

    hardware: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    beside: int = 0
    started: str = ""
    together: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What happened to one trial. Written once, never edited."""

    trial: Trial
    setting: Setting
    outcome: Outcome
    measurements: tuple[Measurement, ...] = ()

    def value(self, name: str, phase: str | None = None) -> float | None:
        """Return the measurement called `name` (in `phase`, where given), or None if there is none."""
        found = self.measurement(name, phase)
        return None if found is None else found.value

    def measurement(self, name: str, phase: str | None = None) -> Measurement | None:
        for measurement in self.measurements:
            if measurement.name == name and phase in (None, measurement.phase):
                return measurement
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, absent fields left out of the measurements."""
        written = asdict(self) | {"trial": self.trial.to_json()}
        written["measurements"] = [
            {key: value for key, value in m.items() if value is not None}
            for m in written["measurements"]
        ]
        return {"schema": SCHEMA, "fingerprint": self.trial.fingerprint, **written}


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Record)


def record_from_json(raw: object, source: str) -> Record:
    """Read a record from JSON values; `source` names the file in messages.

    Raises RecordError where the schema is newer than this version's, or a field is wrong.
    """
    if not isinstance(raw, dict):
        raise RecordError(f"{source}: a record is a JSON object")
    fields = dict(raw)
    schema = fields.pop("schema", None)
    fingerprint = fields.pop("fingerprint", None)
    if not isinstance(schema, int) or schema < 1:
        raise RecordError(f"{source}: no schema version; this is no record of whichpeft")
    if schema > SCHEMA:
        raise NewerRecord(
            f"{source}: schema {schema} is newer than this version reads ({SCHEMA}); update whichpeft"
        )
    if isinstance(fields.get("trial"), dict):
        fields["trial"] = _with_conditions(fields["trial"], source)
    try:
        record = _ADAPTER.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "conditions")
        raise RecordError(f"{source} [{where}]: {first['msg']}") from None
    except StudyError as error:  # a trial that no study could ask for
        raise RecordError(f"{source} [trial]: {error}") from None
    for measurement in record.measurements:
        if not math.isfinite(measurement.value):
            raise RecordError(f"{source} [measurements.{measurement.name}]: the value is not finite")
    if fingerprint != record.trial.fingerprint:
        raise RecordError(f"{source}: the fingerprint does not match the trial; the file was edited")
    return record


def _with_conditions(trial: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Gather the keys of a trial that are its conditions, as `Trial` has them."""
    names = [name for name, _ in condition_infos()]
    for name in FIRST_CONDITIONS:
        if name not in trial:
            raise RecordError(f"{source} [trial.{name}]: Field required")
    rest = {key: value for key, value in trial.items() if key not in names}
    return {**rest, "conditions": {name: trial[name] for name in names if name in trial}}


def finite(value: float | None) -> float | None:
    """Return a number, or None for one that is missing, infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None
