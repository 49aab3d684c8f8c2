"""How a process of its own is started: forked from a server that only imports, where that is safe."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any

START = "forkserver" if sys.platform.startswith("linux") else "spawn"
PRELOAD = "whichpeft.engine.preload"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def start_context() -> Any:
    """Return the multiprocessing context in which trials and their ranks are started."""
    return multiprocessing.get_context(START)


def start_server(families: Sequence[str] = ()) -> None:
    """Start the fork server, which imports in the background what trials need.

    families: model types (``bert``) whose modelling code it should import too.
    """
    if START == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        models = [f"transformers.models.{family}.modeling_{family}" for family in families]
        start_context().set_forkserver_preload([PRELOAD, *models])
        resource_tracker.ensure_running()  # first, since starting it lets ctrl-C in again
        with beginning():
            forkserver.ensure_running()


def end_with_parent() -> None:
    """Have this process asked to end (SIGTERM) where the one it was forked from dies; on Linux.

    A fork server ends with the process that started it, so that a trial whose run was killed does not
    hold memory until it would next tell how far it is.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Keep a new process from importing the user's main script, and from ctrl-C.

    A trial needs nothing of the script, and one without an ``if __name__ == "__main__"`` would run
    itself again in every trial. Ctrl-C reaches every process of a terminal; the one that started the
    run decides, and gets what came meanwhile. The others inherit that it is held back, so that it finds
    none of them without a handler, while it imports.
    """
    with _without_interrupts():
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let a ctrl-C that comes meanwhile happen afterwards.

    It is held back for the processes that are started, which inherit what this thread blocks, and kept
    for this one: where other threads run, the system gives it to one of those, and Python to this one.
    """
    came: list[Any] = []
    # Only the main thread may have handlers, and what is none of Python's could not be put back.
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if ours else None
    if handler is not None:  # first of all and last of all, so that none can leave this half done
        signal.signal(signal.SIGINT, lambda *what: came.append(what))
    masks = hasattr(signal, "pthread_sigmask")  # Windows has none
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
