"""What commands that train do when they are interrupted: they say how to resume, and exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
        with _handled(signal.SIGTERM, _terminate), _handled(signal.SIGINT, _interrupt):
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


def leave_at_once(code: int) -> NoReturn:
    """End the process without Python's tidying up, which takes seconds once torch is loaded."""
    atexit._run_exitfuncs()  # ends child processes and removes temporary files
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    """Stop as after ctrl-C, so that trials save checkpoints and records stay complete."""
    raise _Terminated


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Answer at once: what runs is saved first, which may take some seconds."""
    print_note("Stopping; trials that are running save their state.")
    raise KeyboardInterrupt


@contextlib.contextmanager
def _handled(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def observer_for(quiet: bool) -> RunObserver | None:
    """Return an observer that says nothing if that was asked for; None for the live display."""
    if not quiet:
        return None
    from whichpeft.executors import SilentObserver

    return SilentObserver()
