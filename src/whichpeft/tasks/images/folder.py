"""Folders of images: one sub-folder per class, optionally below one folder per split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.images.raw import SUFFIXES
from whichpeft.tasks.tables.table import Table


def is_image_folder(folder: Path) -> bool:
    """Whether a folder has images in it, in its sub-folders, or one level below those."""
    return any(_images(folder)) or any(_images(one) or _deeper(one) for one in _folders(folder))


def image_tables(folder: Path, role_of: Callable[[str], str | None]) -> Mapping[str, Table]:
    """Read ``class/*.png``, or ``train/class/*.png`` next to validation and test, as tables by role.

    `role_of` returns a split's role from the name of its folder. A split's folder without classes holds
    images without labels. Raises DataError if the roles of the folders are not clear.
    """
    if not any(_deeper(one) for one in _folders(folder)):
        return {"train": _labelled(folder)}
    roles: dict[str, list[Path]] = {}
    for one in _folders(folder):
        role = role_of(one.name)
        if role is not None and (_images(one) or _deeper(one)):
            roles.setdefault(role, []).append(one)
    for role, found in roles.items():
        if len(found) > 1:
            raise DataError(
                f"{folder}: {len(found)} sub-folders could be the {role} set: "
                f"{', '.join(one.name for one in found)}; keep only one"
            )
    if "train" not in roles:
        raise DataError(
            f"{folder}: no sub-folder is named train, only "
            f"{', '.join(one.name for one in _folders(folder)[:8])}; name the folders of the splits "
            "train, validation and test, or put one folder per class directly in it"
        )
    return {
        role: _labelled(found[0]) if role == "train" else _table(found[0])
        for role, found in roles.items()
    }


def _labelled(folder: Path) -> Table:
    table = _table(folder)
    if table.columns[1][0] is None:
        raise DataError(
            f"{folder}: contains images but no folders of classes; put the images of each class into a "
            "sub-folder with the name of the class"
        )
    return table


def _table(folder: Path) -> Table:
    """Return one row per image, labelled with its sub-folder, or unlabelled if there are none."""
    rows: list[tuple[Path, str | None]] = [
        (image, one.name) for one in _folders(folder) for image in _images(one)
    ]
    rows = rows or [(image, None) for image in _images(folder)]
    images, labels = zip(*rows, strict=True)
    return Table(str(folder), ("image", "label"), (images, labels))


def _folders(folder: Path) -> list[Path]:
    return [one for one in _entries(folder) if one.is_dir()]


def _images(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.suffix.lower() in SUFFIXES]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from None


def _deeper(folder: Path) -> bool:
    """Whether a folder's sub-folders contain images."""
    return any(_images(one) for one in _folders(folder))
