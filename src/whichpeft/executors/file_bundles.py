"""Folders that travel from the machine of the run to those that carry trials out.

Where the other machine sees the same files at the same place, because it is the same or shares its
disk, nothing travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from whichpeft.storage.atomic import write_files, write_folder

# Weights in formats that whichpeft does not load, which often lie beside those that it does.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".tflite", ".ot")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was packed: its place in the folder, its bytes, and when it was last written."""

    name: str
    size: int
    written: int


@dataclass(frozen=True, slots=True)
class FileBundle:
    """A folder to be delivered. name: of the copy; source: the folder on the machine of the run."""

    name: str
    source: Path
    stamps: tuple[Stamp, ...]

    def is_here(self) -> bool:
        """Whether this machine sees the very files, so that nothing has to be delivered."""
        try:
            return all(_stamp(self.source, stamp.name) == stamp for stamp in self.stamps)
        except OSError:
            return False


def pack_backbone(folder: Path, name: str) -> FileBundle:
    """Return a bundle of the files of a backbone that lie in its folder, without sub-folders."""
    files = (path.name for path in folder.iterdir() if path.is_file())
    return _pack(folder, name, (file for file in files if Path(file).suffix not in _OTHER_WEIGHTS))


def pack_data(folder: Path, name: str) -> FileBundle:
    """Return a bundle of the folder of an encoded task, arrays behind a link among them."""
    beside = (path for path in folder.iterdir() if path.is_file() and path.suffix != ".activations")
    arrays = (path for under in folder.iterdir() if under.is_dir() for path in under.iterdir())
    return _pack(folder, name, (str(path.relative_to(folder)) for path in (*beside, *arrays)))


def unpack(bundle: FileBundle, contents: Iterable[bytes], place: Path) -> None:
    """Write the files of a bundle to a folder, whole or not at all. contents: of each file."""
    files = zip((stamp.name for stamp in bundle.stamps), contents, strict=True)
    write_folder(place, partial(write_files, files))


def _pack(folder: Path, name: str, files: Iterator[str]) -> FileBundle:
    return FileBundle(name, folder.absolute(), tuple(_stamp(folder, file) for file in sorted(files)))


def _stamp(folder: Path, name: str) -> Stamp:
    found = (folder / name).stat()
    return Stamp(name, found.st_size, found.st_mtime_ns)
