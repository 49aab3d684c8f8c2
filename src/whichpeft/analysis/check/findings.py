"""Findings: what a check of records says, and where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from whichpeft.records import Record

Severity = Literal["problem", "note"]
AGAIN = "run the study again, the same command goes on where it stopped"
RETRY = "delete the record to try it again, or leave the method out"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about records that a reader should know.

    what: in a sentence; way_out: what to do about it. backbone, task, method, seed and file (inside
    the run folder) say where; None where it concerns all.
    """

    severity: Severity
    what: str
    way_out: str
    backbone: str | None = None
    task: str | None = None
    method: str | None = None
    seed: int | None = None
    file: str | None = None


def file_of(record: Record) -> str:
    """Return a record's file inside the run folder."""
    return f"records/{record.trial.fingerprint}.json"
