"""Starts processes: forked from a server that only imports, on systems that can fork safely."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import logging
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

START = "forkserver" if sys.platform.startswith("linux") else "spawn"
_SPAWN = "WHICHPEFT_SPAWN"  # in the environment, because trials that start processes have to know it too
PRELOAD = "whichpeft.engine.preload"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_logger = logging.getLogger(__name__)


def start_context() -> Any:
    """Return the multiprocessing context in which trials and their ranks are started."""
    return multiprocessing.get_context(_start())


def _start() -> str:
    return "spawn" if _SPAWN in os.environ else START


def stop_forking() -> None:
    """Start every process from scratch from now on, because what the server imports forbids to fork."""
    os.environ[_SPAWN] = "1"


def in_own_process(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a process of its own, which takes with it what the call does to a GPU.

    Whatever the function raises is raised here.
    """
    with ProcessPoolExecutor(1, mp_context=start_context()) as process:
        with beginning():
            called = process.submit(function, *arguments)
        return called.result()


def start_server(families: Sequence[str] = ()) -> None:
    """Start the fork server, which imports in the background what trials need.

    Parameters
    ----------
    families
        Model types, such as ``bert``, whose modelling code it should import too.
    """
    if _start() == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        start_context().set_forkserver_preload([PRELOAD, *_modelling_modules(families)])
        resource_tracker.ensure_running()  # first, since starting it lets ctrl-C in again
        with beginning():
            forkserver.ensure_running()


def _modelling_modules(families: Sequence[str]) -> list[str]:
    """Return the modules of transformers that hold the families' modelling code.

    The fork server ignores modules that it cannot import, so names are checked here. The check looks at
    files only: importing transformers takes longer than this process should wait.
    """
    spec = importlib.util.find_spec("transformers")
    models = Path((spec and spec.origin) or "").parent / "models"
    found = []
    for family in families:
        name = family.replace("-", "_")
        if (models / name / f"modeling_{name}.py").is_file():
            found.append(f"transformers.models.{name}.modeling_{name}")
        else:
            _logger.debug(
                "transformers has no modelling code for %r; each trial imports its own", family
            )
    return found


def end_with_parent() -> None:
    """Ask the system to end this process (SIGTERM) when the one that it was forked from dies; on Linux.

    A fork server ends with the process that started it. Without this, a trial whose run was killed would
    hold its memory until it next reported its progress.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Keep a new process from importing the user's main script, and from receiving ctrl-C.

    A trial does not need the script, and a script without ``if __name__ == "__main__"`` would run itself
    again in every trial. Ctrl-C reaches every process of a terminal; the process that started the run
    handles it, afterwards if it arrives in the meantime. New processes inherit the block, so ctrl-C
    never finds one that is still importing and has no handler yet.
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
    """Delay a ctrl-C that arrives in the meantime until afterwards.

    The signal is blocked for the processes that are started, which inherit what this thread blocks, and
    recorded for this one: with other threads running, the system delivers it to one of those, and Python
    handles it in this one.
    """
    came: list[object] = []
    # Only the main thread may set handlers, and a handler that is not Python's could not be put back.
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if ours else None
    if handler is not None:  # first of all and last of all, so that a ctrl-C cannot leave this half done
        signal.signal(signal.SIGINT, lambda *what: came.append(what))
    masks = hasattr(signal, "pthread_sigmask")  # Windows does not have it
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
