"""What commands that train do when they are interrupted: they say how to resume, and exit."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.cli.output import print_note

if TYPE_CHECKING:
    from types import FrameType

    from whichpeft.executors import RunObserver

INTERRUPTED, TERMINATED = 130, 143


class _Terminated(KeyboardInterrupt):
    """The run got SIGTERM, for example from a scheduler."""


@contextlib.contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say how to resume the run in a folder if it is interrupted, and exit."""
    try:
        with _stopped_by_sigterm():
            yield
    except KeyboardInterrupt as ended:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # it ends now; a second one would only print a traceback
        kept = len(list((folder / "records").glob("*.json")))
        print_note(
            f"Interrupted with {kept} records in {folder}. The same command resumes the run; "
            f"`whichpeft report {folder}` prints the results so far."
        )
        sys.exit(TERMINATED if isinstance(ended, _Terminated) else INTERRUPTED)


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Handle SIGTERM like ctrl-C, so that trials save checkpoints and records stay complete."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def observer_for(quiet: bool) -> RunObserver | None:
    """Return an observer that says nothing if that was asked for; None for the live display."""
    if not quiet:
        return None
    from whichpeft.executors import SilentObserver

    return SilentObserver()
