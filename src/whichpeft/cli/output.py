"""What the commands share when they print."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.errors import StudyError, unknown


def check_format(format: str, known: Sequence[str]) -> None:
    if format not in known:
        raise StudyError(f"--format: {unknown('format', format, known)}")
