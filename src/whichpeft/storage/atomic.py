"""Files and folders that are written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

_UMASK = os.umask(0)
os.umask(_UMASK)  # the only way to read it is to set it


def write_whole(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, even if the power fails."""
    with open_whole(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its place when it is complete; after an error, what was there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)  # noqa: PTH101  mkstemp lets only the owner read
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # an error in writing to an open file does not name it
        raise


def bytes_in_progress(path: Path) -> int:
    """Return how many bytes of a file have been written that is not complete yet; 0 if none is open."""
    found = 0
    for part in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):  # it was complete in the meantime
            found += part.stat().st_size
    return found


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` write a folder next to its place, then move it there; it replaces an existing one."""
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def write_files(files: Iterable[tuple[str, bytes]], folder: Path) -> None:
    """Write files into a folder, by their names relative to it."""
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a file that was moved into it stays there."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot
        pass
    finally:
        os.close(handle)
