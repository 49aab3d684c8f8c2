"""The findings of reading again: what is read otherwise now, and what could not be read."""

from __future__ import annotations

from whichpeft.analysis.check.findings import NO_ACTION, Finding

AGAIN = "run the study again with another --out"
MOST_NAMES = 5


def problem(what: str, fix: str = AGAIN, **place: str) -> Finding:
    """Return the finding on something that this version reads otherwise."""
    return Finding(severity="problem", what=what, fix=fix, **place)  # type: ignore[arg-type]


def not_read(what: str, **place: str) -> Finding:
    """Return the finding on something that is not on this machine."""
    fix = f"{NO_ACTION}; on a machine with the files, `whichpeft check` reads them again"
    return Finding(severity="note", what=what, fix=fix, **place)  # type: ignore[arg-type]
