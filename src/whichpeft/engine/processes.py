"""How a process of its own is started: forked from a server that only imports, where that is safe."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

START = "forkserver" if sys.platform.startswith("linux") else "spawn"
PRELOAD = "whichpeft.engine.preload"


def start_context() -> Any:
    """Return the multiprocessing context in which trials and their ranks are started."""
    return multiprocessing.get_context(START)


def start_server(modules: Sequence[str] = ()) -> None:
    """Start the fork server, which imports in the background what trials need and `modules`."""
    if START == "forkserver":
        from multiprocessing import forkserver

        start_context().set_forkserver_preload([PRELOAD, *modules])
        with without_main():
            forkserver.ensure_running()


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep a new process from importing the user's main script.

    A trial needs nothing of it, and a script without an ``if __name__ == "__main__"`` would run
    itself again in every trial.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
