"""The folder that ``--write`` names: nothing is written among other files, or over earlier ones."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from whichpeft.errors import FolderError
from whichpeft.takeaway.loading import ADAPTER, CONFIG, SETTINGS, read_json

_FILES = (SETTINGS, "predict.py", "train.py", "README.md")
_OWN_KEYS = {"method_id", "backbone_source"}
"""Keys that tell whichpeft's settings from a file of the same name that another program wrote."""


def check_place(out: Path, *, overwrite: bool) -> None:
    """Raise FolderError if files would be written among others, or over what was written before.

    Parameters
    ----------
    out
        The folder to write.
    overwrite
        Whether what was written there before may be replaced.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise FolderError(f"{out}: is a file; name a folder with --write")
    written = _written_in(out)
    if not written and any(out.iterdir()):
        raise FolderError(f"{out}: holds other files; name a new folder with --write")
    if written and not overwrite:
        raise FolderError(
            f"{out}: was written before; add --overwrite to replace it, or name another folder"
        )


@contextlib.contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """Give a new folder to fill, whose files then replace what was written before.

    After an error, what was there stays.
    """
    place = out.resolve()
    new = place.with_name(f".{place.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        for before in _written_in(place):
            _clear(before)
        shutil.copytree(new, place, dirs_exist_ok=True, copy_function=shutil.move)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _written_in(out: Path) -> list[Path]:
    """Return the folders that were written for the answers: `out` itself, or all of its content."""
    if _is_ours(out):
        return [out]
    inside = list(out.iterdir()) if out.is_dir() else []
    return inside if all(map(_is_ours, inside)) else []


def _is_ours(folder: Path) -> bool:
    """Whether ``--write`` wrote a folder."""
    try:
        return read_json(folder / SETTINGS).keys() >= _OWN_KEYS
    except (OSError, ValueError, AttributeError):
        return False


def _clear(place: Path) -> None:
    """Remove what was written before, so that nothing of another method stays; leave other files."""
    settings = read_json(place / SETTINGS)
    for name in _parts(settings):
        folder = place / name
        (folder / CONFIG).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    shutil.rmtree(place / ADAPTER, ignore_errors=True)
    for name in (*_FILES, CONFIG):
        (place / name).unlink(missing_ok=True)


def _parts(settings: Mapping[str, object]) -> list[str]:
    """Return the folders of the parts of a composition; earlier versions did not note them."""
    parts = settings.get("parts")
    if isinstance(parts, list):
        return [str(name) for name in parts]
    return [part.partition(":")[0].strip() for part in str(settings.get("method", "")).split("+")]
