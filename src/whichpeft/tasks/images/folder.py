"""Folders of images: a sub-folder a class, with or without a folder a split above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.images.raw import SUFFIXES
from whichpeft.tasks.tables.table import Table


def is_image_folder(folder: Path) -> bool:
    """Whether there are images in a folder, in its sub-folders or in theirs."""
    return any(_images(folder)) or any(_images(one) or _deeper(one) for one in _folders(folder))


def image_tables(folder: Path, role_of: Callable[[str], str | None]) -> Mapping[str, Table]:
    """Read ``class/*.png``, or ``train/class/*.png`` with validation and test beside it, by role.

    role_of: tells a split's role from the name of its folder. A folder of a split without classes
    holds images without labels. Raises DataError where folders cannot be told apart.
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
                f"{folder}: {len(found)} sub-folders may be the {role} set: "
                f"{', '.join(one.name for one in found)}; keep one"
            )
    if "train" not in roles:
        raise DataError(
            f"{folder}: no sub-folder's name says train, only "
            f"{', '.join(one.name for one in _folders(folder)[:8])}; name the folders of the splits "
            "train, validation and test, or put a folder for each class right here"
        )
    return {
        role: _labelled(found[0]) if role == "train" else _table(found[0])
        for role, found in roles.items()
    }


def _labelled(folder: Path) -> Table:
    table = _table(folder)
    if table.columns[1][0] is None:
        raise DataError(
            f"{folder}: holds images but no folders of classes; put the images of each class into a "
            "sub-folder with the class's name"
        )
    return table


def _table(folder: Path) -> Table:
    """One row an image, labelled by the sub-folder it lies in; without labels where there is none."""
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
    """Whether there are images in a folder's sub-folders."""
    return any(_images(one) for one in _folders(folder))
