"""A trial that was asked to end is waited for as long as its checkpoint grows."""

from __future__ import annotations

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
        if timeout:
            self.waits.append(timeout)
        if self.chunks:
            self.chunks -= 1
            self._file.write(b"chunk")
            self._file.flush()
        elif not self.hangs and self.alive:
            self._open.__exit__(None, None, None)
            self.alive = False

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
    trial: Any = SimpleNamespace(process=process, left=[job], pipe=SimpleNamespace(close=lambda: None))
    _end([trial])
    assert process.killed is hangs
    assert path.is_file() is not hangs
    # The last wait of a process that hangs sees that nothing was written in it.
    assert process.waits == [_CHECKPOINT_SECONDS] * (chunks + 1)


def test_only_a_file_s_own_parts_are_counted(tmp_path: Path) -> None:
    with open_whole(tmp_path / "a.bin") as one, open_whole(tmp_path / "b.bin") as other:
        one.write(bytes(10))
        one.flush()
        other.write(bytes(100))
        other.flush()
        assert bytes_in_progress(tmp_path / "a.bin") == 10
    assert bytes_in_progress(tmp_path / "a.bin") == 0
    assert (tmp_path / "a.bin").stat().st_size == 10
