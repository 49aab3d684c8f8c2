"""How processes are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from whichpeft.engine.processes import beginning


def begin(reached: list[bool]) -> None:
    with beginning():
        # From outside: one of its own would be given to the thread that sends it.
        subprocess.run(["kill", "-INT", str(os.getpid())], check=True)
        reached.append(True)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("threads", [0, 1])
def test_a_ctrl_c_while_a_process_begins_comes_afterwards(threads: int) -> None:
    """Also where another thread is the one that the system gives it to."""
    done = threading.Event()
    others = [threading.Thread(target=done.wait) for _ in range(threads)]
    for other in others:
        other.start()
    reached = []
    try:
        with pytest.raises(KeyboardInterrupt):
            begin(reached)
    finally:
        done.set()
        for other in others:
            other.join()
    assert reached == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
