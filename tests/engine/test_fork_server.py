"""Starting processes."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from whichpeft.engine import fork_server as processes
from whichpeft.engine.fork_server import beginning


def begin(reached: list[bool]) -> None:
    with beginning():
        # From outside: a signal that a process sends itself goes to the thread that sends it.
        subprocess.run(["kill", "-INT", str(os.getpid())], check=True)
        reached.append(True)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("threads", [0, 1])
def test_ctrl_c_during_a_process_start_arrives_afterwards(threads: int) -> None:
    """Even if the system delivers it to another thread."""
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


def test_the_fork_server_preloads_only_modules_that_exist(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, processes.__name__):
        found = processes._modelling_modules(["bert", "xlm-roberta", "no-such-family"])
    assert found == [
        "transformers.models.bert.modeling_bert",
        "transformers.models.xlm_roberta.modeling_xlm_roberta",
    ]
    assert all(importlib.util.find_spec(name) for name in found)
    assert "'no-such-family'" in caplog.text
