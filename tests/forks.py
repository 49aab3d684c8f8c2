"""Runs ``whichpeft`` in processes of its own, without the seconds that each would take to import.

As a script, this file imports everything and then answers requests on its standard input, one JSON
object per line: ``{"start": {...}}`` forks a command and returns its process id; ``{"poll": pid}``
returns its exit code, or null while it runs. Trials are forked from the command itself, instead of from
a server that would import again. This makes no difference to a run's records, scores and output. Tests
of how a run starts, and of how signals end it, start it as a user does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn


@dataclass
class Forked:
    """A command in a process and session of its own; has the part of Popen that tests need."""

    forks: Forks
    pid: int
    said: tuple[Path, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.forks.ask({"poll": self.pid})
        return self.returncode

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Wait until it ends; return its standard output and error output. Raises TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.01)
        out, err = (path.read_text() for path in self.said)
        return out, err


@dataclass
class Forks:
    """The process that commands are forked from. It starts with the first command."""

    folder: Path
    _server: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(
        self,
        *words: str,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        script: Path | None = None,
    ) -> Forked:
        """Start ``whichpeft WORDS``, or a script with these arguments, in environment `env`."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        said = (folder / "out", folder / "err")
        asked = {
            "words": words,
            "script": script and str(script),
            "cwd": str(cwd or Path.cwd()),
            "env": dict(env or os.environ),
            "said": [str(path) for path in said],
        }
        return Forked(self, self.ask({"start": asked}), said)

    def run(
        self,
        *words: str,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        script: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``whichpeft WORDS``, or a script with these arguments, for at most ten minutes."""
        process = self.start(*words, cwd=cwd, env=env, script=script)
        try:
            out, err = process.communicate(timeout=600)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def ask(self, request: dict[str, Any]) -> Any:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        stdin, stdout = self._server.stdin, self._server.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def close(self) -> None:
        if self._server is not None:
            self._server.communicate(timeout=30)


def shorten_profiles() -> None:
    """Let profiles read every time once or twice, since no test is about how fast a method is.

    Readings of a tiny model are never stable, so each profile would take a second more. All that a
    profile measures is still measured.
    """
    from whichpeft.engine.profiling.budget import QUICK, STANDARD

    for budget in (QUICK, STANDARD):
        object.__setattr__(budget, "step_seconds", 0.1)
        object.__setattr__(budget, "latency_seconds", budget.latency_seconds / 6)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more."""
    import whichpeft.cli.app
    import whichpeft.engine.preload
    import whichpeft.report.page.page
    import whichpeft.running.dry_run
    import whichpeft.running.runner
    from whichpeft.engine import fork_server as processes
    from whichpeft.methods import methods

    methods()  # reads PEFT's source once for all commands
    processes.START = "fork"
    shorten_profiles()
    gc.freeze()  # so that child processes do not copy what they never change
    for line in iter(requests.readline, ""):
        ((asked, about),) = json.loads(line).items()
        if asked == "start":
            pid = os.fork()
            if pid == 0:
                script = about.pop("script")
                become(**about)
                if script is not None:
                    end_after(partial(runpy.run_path, script, run_name="__main__"))
                end_after(whichpeft.cli.app.main)
            answer: int | None = pid
        else:
            ended, status = os.waitpid(about, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def end_after(work: Callable[[], object]) -> NoReturn:
    """Do the work and end this process with its exit code.

    This is how an interpreter ends, except that it does not take two seconds to clear every module.
    """
    code = 0
    try:
        work()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def become(words: list[str], cwd: str, env: dict[str, str], said: list[str]) -> None:
    """Make this process look as if a shell had started ``whichpeft WORDS`` in it."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, path in zip((1, 2), said, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    sys.argv = ["whichpeft", *words]


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
