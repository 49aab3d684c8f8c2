"""What the commands share to print and to check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from whichpeft.errors import StudyError, unknown, without_secrets
from whichpeft.units import counted

if TYPE_CHECKING:
    from whichpeft.executors import RunObserver
    from whichpeft.study import Study

SOME_FAILED = 1
"""Exit code of a command that did only a part of what was asked."""


def print_note(text: str) -> None:
    """Print a line on standard error, so that it does not mix with results."""
    Console(stderr=True).print(Text(without_secrets(text)), soft_wrap=True)


def print_error(text: str) -> None:
    """Print the line about something that went wrong on standard error."""
    print_note(f"whichpeft: {text}")


def printing_observer(console: Console, *, silent: bool) -> RunObserver:
    """Return an observer that prints what is read before a dry run, or one that says nothing."""
    from whichpeft.executors import SilentObserver

    class Printer(SilentObserver):
        def notify(self, line: str) -> None:
            console.print(Text(line), soft_wrap=not console.is_terminal)

    return SilentObserver() if silent else Printer()


def exit_if_unreadable(study: Study) -> None:
    """Exit with code 1 if config files of the study's methods could not be read."""
    from whichpeft.methods import Unreadable, read_method

    found = [text for text in study.methods if isinstance(read_method(text), Unreadable)]
    if found:
        print_note(
            f"{counted(len(found), 'method')} refused, because a config file cannot be read: "
            f"{', '.join(found)}. Mend it and run the command again."
        )
        sys.exit(SOME_FAILED)


def check_format(format: str, known: Sequence[str]) -> None:
    """Raise StudyError unless `format` is one of the known ones."""
    if format not in known:
        raise StudyError(f"--format: {unknown('format', format, known)}")
