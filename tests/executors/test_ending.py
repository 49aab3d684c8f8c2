"""A trial that was asked to end is waited for as long as its checkpoint grows."""

from __future__ import annotations

import multiprocessing
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whichpeft.executors.trial_processes import _CHECKPOINT_SECONDS, _end
from whichpeft.storage.atomic import bytes_in_progress, open_whole


class Writing:
    """A process that writes one chunk of its checkpoint in each wait, and ends or hangs after it."""

    def __init__(self, path: Path, chunks: int, *, hangs: bool) -> None:
        self.path, self.chunks, self.hangs = path, chunks, hangs
        self.waits: list[float] = []
        self.alive, self.killed = True, False
        self._open = open_whole(path)
        self._file = self._open.__enter__()

    def terminate(self) -> None:
        """Begin to write; the fake has the file open already."""

    def is_alive(self) -> bool:
        return self.alive

    def join(self, timeout: float | None = None) -> None:
        """Wait no longer: the fake acts when its pipe is read."""

    def poll(self, timeout: float) -> bool:
        self.waits.append(timeout)
        if self.chunks:
            self.chunks -= 1
            self._file.write(b"chunk")
            self._file.flush()
        elif not self.hangs:
            self._open.__exit__(None, None, None)
            self.alive = False
            raise EOFError
        return False

    def close(self) -> None:
        """Close nothing: the fake is its own pipe."""

    def kill(self) -> None:
        self.alive, self.killed = False, True


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("chunks", [0, 3])
def test_a_large_checkpoint_is_waited_for_and_a_hanging_process_is_not(
    chunks: int, hangs: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    process = Writing(path, chunks, hangs=hangs)
    job = SimpleNamespace(checkpoint=path)
    trial: Any = SimpleNamespace(process=process, left=[job], pipe=process)
    _end([trial])
    assert process.killed is hangs
    assert path.is_file() is not hangs
    # The last wait of a process that hangs sees that nothing was written in it.
    assert process.waits == pytest.approx([_CHECKPOINT_SECONDS] * (chunks + 1), abs=1)


def test_a_trial_with_a_large_result_is_not_waited_for(tmp_path: Path) -> None:
    """A process that has been told to end in its last phase still sends its result."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_send_much, args=(sender,))
    process.start()
    sender.close()
    assert receiver.recv() == "ready"
    began = time.monotonic()
    trial: Any = SimpleNamespace(process=process, left=[], pipe=receiver)
    _end([trial])
    assert time.monotonic() - began < 10
    assert process.exitcode == 0


def _send_much(sender: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in a phase that a signal does not end
    sender.send("ready")
    sender.send(bytes(10_000_000))


def test_only_a_file_s_own_parts_are_counted(tmp_path: Path) -> None:
    with open_whole(tmp_path / "a.bin") as one, open_whole(tmp_path / "b.bin") as other:
        one.write(bytes(10))
        one.flush()
        other.write(bytes(100))
        other.flush()
        assert bytes_in_progress(tmp_path / "a.bin") == 10
    assert bytes_in_progress(tmp_path / "a.bin") == 0
    assert (tmp_path / "a.bin").stat().st_size == 10
