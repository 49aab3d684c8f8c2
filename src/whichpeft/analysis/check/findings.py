"""Findings: what a check of the records found, where, and how to fix it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from whichpeft.records import Record

Severity = Literal["problem", "note"]
AGAIN = "run the same command again; it resumes the study"
RETRY = "delete the record and run the study again, or remove the method from the study"
NO_ACTION = "no action needed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about the records that a reader should know."""

    severity: Severity
    """``problem``: it makes an answer unfair, uncertain or incomplete; ``note``: it is good to know."""

    what: str
    """What was found, in a sentence without a full stop."""

    fix: str
    """What to do about it, in a sentence without a full stop."""

    backbone: str | None = None
    """The backbone concerned; None if the finding concerns all of them."""

    task: str | None = None
    """The task concerned; None if the finding concerns all of them."""

    method: str | None = None
    """The method concerned; None if the finding concerns all of them."""

    seed: int | None = None
    """The seed of the trial concerned; None if the finding concerns no single final trial."""

    file: str | None = None
    """The file concerned, inside the run folder; None if there is none."""

    def as_row(self) -> dict[str, Any]:
        """Return the finding as `whichpeft check --format json` prints it."""
        row = asdict(self)
        return {"way_out" if key == "fix" else key: value for key, value in row.items()}


def file_of(record: Record) -> str:
    """Return a record's file inside the run folder."""
    return f"records/{record.trial.fingerprint}.json"
