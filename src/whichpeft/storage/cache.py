"""Folders that whichpeft makes once and reuses: complete or absent, even with several processes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from whichpeft.errors import FolderError

_CHECKSUMS = "checksums.json"


def cache_folder() -> Path:
    """Return $WHICHPEFT_CACHE, or whichpeft's folder in the user's cache."""
    if given := os.environ.get("WHICHPEFT_CACHE"):
        return Path(given).expanduser()
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given).expanduser() / "whichpeft"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "whichpeft"
    if sys.platform == "win32" and (given := os.environ.get("LOCALAPPDATA")):
        return Path(given) / "whichpeft"
    return Path.home() / ".cache" / "whichpeft"


def find_cached(name: str) -> Path | None:
    """Return the folder of this name in the cache, or None unless it is there and complete."""
    place = cache_folder() / name
    return place if _is_whole(place) else None


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name in the cache; `make` fills it unless it is there and complete.

    It is made next to its place and then moved there, so no process sees half of it. If two processes
    make it at the same time, the first one to finish wins. Raises FolderError if the cache cannot be
    written.
    """
    place = cache_folder() / name
    if _is_whole(place):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as scratch:
            made = Path(scratch, "made")
            made.mkdir()
            make(made)
            (made / _CHECKSUMS).write_text(json.dumps(_checksums(made), indent=1), encoding="utf-8")
            _move(made, place, Path(scratch, "broken"))
    except OSError as error:
        raise FolderError(
            f"{error.filename or place}: cannot be written ({error.strerror or error}); set "
            "WHICHPEFT_CACHE to a writable folder"
        ) from None
    return place


def _move(made: Path, place: Path, aside: Path) -> None:
    """Move a folder to its place, unless another process has put a complete one there meanwhile."""
    if _is_whole(place):
        return
    if place.exists():
        place.rename(aside)
    try:
        made.rename(place)
    except OSError:
        if not _is_whole(place):
            raise


def _is_whole(folder: Path) -> bool:
    try:
        kept = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
        return bool(kept == _checksums(folder))
    except (OSError, ValueError):
        return False


def _checksums(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != _CHECKSUMS
    }
