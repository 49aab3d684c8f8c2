"""Folders that are sent from the machine of the run to the machines that carry out trials.

Nothing is sent if the other machine sees the same files under the same path, because it is the same
machine or shares its disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from whichpeft.storage.atomic import write_files, write_folder

# Weights in formats that whichpeft does not load. They are often in the folder of those that it does.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".tflite", ".ot")


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when its bundle was made."""

    name: str
    """Its path within the folder."""
    size: int
    """Its size in bytes."""
    written: int
    """When it was last written, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class FileBundle:
    """A folder to be delivered."""

    name: str
    """Name of the copy."""
    source: Path
    """The folder on the machine of the run."""
    stamps: tuple[Stamp, ...]
    """Its files."""

    def is_here(self) -> bool:
        """Whether this machine sees the very same files, so that nothing has to be delivered."""
        try:
            return all(_stamp(self.source, stamp.name) == stamp for stamp in self.stamps)
        except OSError:
            return False


def pack_backbone(folder: Path, name: str) -> FileBundle:
    """Return a bundle of the files in a backbone's folder, without sub-folders."""
    files = (path.name for path in folder.iterdir() if path.is_file())
    return _pack(folder, name, (file for file in files if Path(file).suffix not in _OTHER_WEIGHTS))


def pack_data(folder: Path, name: str) -> FileBundle:
    """Return a bundle of the folder of an encoded task, with the arrays that it links to."""
    own = (path for path in folder.iterdir() if path.is_file() and path.suffix != ".activations")
    arrays = (path for under in folder.iterdir() if under.is_dir() for path in under.iterdir())
    return _pack(folder, name, (str(path.relative_to(folder)) for path in (*own, *arrays)))


def unpack(bundle: FileBundle, contents: Iterable[bytes], place: Path) -> None:
    """Write the files of a bundle to a folder, either all of them or none.

    Parameters
    ----------
    contents
        The content of each file, in the order of the bundle's stamps.
    """
    files = zip((stamp.name for stamp in bundle.stamps), contents, strict=True)
    write_folder(place, partial(write_files, files))


def _pack(folder: Path, name: str, files: Iterator[str]) -> FileBundle:
    return FileBundle(name, folder.absolute(), tuple(_stamp(folder, file) for file in sorted(files)))


def _stamp(folder: Path, name: str) -> Stamp:
    found = (folder / name).stat()
    return Stamp(name, found.st_size, found.st_mtime_ns)
