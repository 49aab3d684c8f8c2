"""Record: a trial with its outcome, measurements and setting, as JSON with a schema version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from whichpeft.errors import NewerRecord, RecordError, StudyError
from whichpeft.study.conditions import FIRST_CONDITIONS, condition_infos
from whichpeft.study.trial import Trial

SCHEMA = 3  # 2: tuning trials, and trials that were stopped; 3: screening trials
_BEFORE_SCREENS = 2

Status = Literal["completed", "stopped", "failed", "refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """A number with its unit, and where it comes from."""

    name: str
    """What was measured, such as ``score`` or ``step_milliseconds``."""

    value: float
    """The number; a median if there were several readings."""

    unit: str
    """Its unit, such as ``ms``."""

    phase: str
    """The phase of the trial in which it was measured, such as ``train`` or ``test``."""

    source: str
    """How it was obtained: a metric's name, or the part of the package that measured it."""

    low: float | None = None
    """The lower quartile of repeated readings; None if there was one reading."""

    high: float | None = None
    """The upper quartile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a trial ended."""

    status: Status
    """``stopped`` is a tuning trial that fell behind the others of its search, or a screening trial."""

    phase: str | None = None
    """The phase in which a trial ended that did not complete."""

    reason: str | None = None
    """Why it did not complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The machine and the software that a trial ran on."""

    hardware: Mapping[str, Any] = field(default_factory=dict)
    """Processor, cores, memory in bytes, accelerator."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of Python, torch, transformers, peft and whichpeft."""

    device: str = ""
    """The device that the trial computed on."""

    precision: str = ""
    """The precision that the trial computed in."""

    beside: int = 0
    """Number of other trials that the executor allowed to run on the same device at the same time.

    Records of several GPUs may count those on the other GPUs too, if they were made before GPUs were
    shared.
    """

    started: str = ""
    """When the trial started."""

    together: int = 1
    """Number of trials that trained as one model, this one included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What happened to one trial. Written once, never edited."""

    trial: Trial
    """What was asked."""

    setting: Setting
    """The machine and the software that it ran on."""

    outcome: Outcome
    """How it ended."""

    measurements: tuple[Measurement, ...] = ()
    """Its score, its costs and its counts."""

    def value(self, name: str, phase: str | None = None) -> float | None:
        """Return the value called `name` (in `phase`, if given), or None if there is none."""
        found = self.measurement(name, phase)
        return None if found is None else found.value

    def measurement(self, name: str, phase: str | None = None) -> Measurement | None:
        """Return the measurement called `name` (in `phase`, if given), or None if there is none."""
        for measurement in self.measurements:
            if measurement.name == name and phase in (None, measurement.phase):
                return measurement
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, without the empty fields of measurements."""
        written = asdict(self) | {"trial": self.trial.to_json()}
        written["measurements"] = [
            {key: value for key, value in m.items() if value is not None}
            for m in written["measurements"]
        ]
        # Earlier versions can read all other records.
        schema = SCHEMA if self.trial.purpose == "screen" else _BEFORE_SCREENS
        return {"schema": schema, "fingerprint": self.trial.fingerprint, **written}


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Record)


def record_from_json(raw: object, source: str) -> Record:
    """Read a record from JSON values; `source` names the file in messages.

    Raises NewerRecord if a later version wrote it, and RecordError if a field is wrong.
    """
    if not isinstance(raw, dict):
        raise RecordError(f"{source}: a record is a JSON object")
    fields = dict(raw)
    schema = fields.pop("schema", None)
    fingerprint = fields.pop("fingerprint", None)
    if not isinstance(schema, int) or schema < 1:
        raise RecordError(f"{source}: no schema version; this is not a record of whichpeft")
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
        place = ".".join(str(part) for part in first["loc"] if part != "conditions")
        raise RecordError(f"{source} [{place}]: {first['msg']}") from None
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
