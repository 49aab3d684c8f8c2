"""Starting processes."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

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


BITSANDBYTES = """
import torch
torch.cuda.get_device_capability = lambda device=None: (8, 0)
torch.cuda.get_device_capability()  # the real one initialises CUDA here
imported = True
class nn:
    class Linear8bitLt(torch.nn.Module): ...
    class Linear4bit(torch.nn.Module): ...
"""
WHAT_A_TRIAL_FINDS = """
import json, sys
import torch
asked = []
torch.cuda.get_device_capability = lambda *about: asked.append(about)
import whichpeft.engine.preload
import transformers.models.bert.modeling_bert, transformers.models.llama.modeling_llama
server = {"imported": "bitsandbytes" in sys.modules, "asked": len(asked)}
from peft.import_utils import is_bnb_4bit_available, is_bnb_available
from transformers.utils import is_bitsandbytes_available
found = is_bitsandbytes_available(), is_bnb_available(), is_bnb_4bit_available()
from peft.tuners.lora import bnb
print(json.dumps([server, found, hasattr(bnb, "Linear4bit")]))
"""


def test_the_server_does_not_import_bitsandbytes_and_a_trial_still_finds_it(tmp_path: Path) -> None:
    """bitsandbytes initialises CUDA when it is imported; no trial forked after that could use a GPU."""
    (tmp_path / "bitsandbytes").mkdir()
    (tmp_path / "bitsandbytes" / "__init__.py").write_text(BITSANDBYTES)
    about = tmp_path / "bitsandbytes-0.50.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bitsandbytes\nVersion: 0.50.2\n")
    (about / "RECORD").write_text("bitsandbytes/__init__.py,,\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", WHAT_A_TRIAL_FINDS],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    server, found, has_layers = json.loads(done.stdout.splitlines()[-1])
    assert server == {"imported": False, "asked": 0}
    assert found == [True, True, True]
    assert has_layers


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems never fork")
def test_processes_start_from_scratch_once_forking_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICHPEFT_SPAWN", "")  # so that it is put back afterwards
    monkeypatch.delenv("WHICHPEFT_SPAWN")
    assert processes.in_own_process(os.getppid) != os.getpid()  # the server's
    processes.stop_forking()
    assert processes.in_own_process(os.getppid) == os.getpid()
    assert "WHICHPEFT_SPAWN" in os.environ  # so that ranks which a trial starts are not forked either
