"""What the commands share to print and to check."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from whichpeft.errors import StudyError, unknown, without_secrets


def print_note(text: str) -> None:
    """Print a line on standard error, so that it does not mix with results."""
    Console(stderr=True).print(Text(without_secrets(text)), soft_wrap=True)


def print_error(text: str) -> None:
    """Print the line about something that went wrong on standard error."""
    print_note(f"whichpeft: {text}")


def check_format(format: str, known: Sequence[str]) -> None:
    """Raise StudyError unless `format` is one of the known ones."""
    if format not in known:
        raise StudyError(f"--format: {unknown('format', format, known)}")
