"""The folder that ``--write`` names: nothing is written among other files, or over earlier ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from whichpeft.errors import FolderError
from whichpeft.takeaway.loading import ADAPTER, CONFIG, SETTINGS

_FILES = (SETTINGS, "predict.py", "train.py", "README.md")


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
    if any(out.iterdir()) and not _written_in(out):
        raise FolderError(f"{out}: holds other files; name a new folder with --write")
    if _written_in(out) and not overwrite:
        raise FolderError(
            f"{out}: was written before; add --overwrite to replace it, or name another folder"
        )


def _written_in(out: Path) -> list[Path]:
    """Return the folders that were written for the answers: `out`, or sub-folders."""
    return [path.parent for pattern in (SETTINGS, f"*/{SETTINGS}") for path in out.glob(pattern)]


def clear(out: Path) -> None:
    """Remove what was written before, so that nothing of another method stays; leave other files."""
    for place in _written_in(out):
        for config in place.glob(f"*/{CONFIG}"):  # one per part of a composition
            config.unlink()
            if not any(config.parent.iterdir()):
                config.parent.rmdir()
        shutil.rmtree(place / ADAPTER, ignore_errors=True)
        for name in (*_FILES, CONFIG):
            (place / name).unlink(missing_ok=True)
