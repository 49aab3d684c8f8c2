"""Folders of images: one sub-folder per class, optionally below one folder per split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.images.raw import SUFFIXES
from whichpeft.tasks.tables.table import Table
from whichpeft.units import counted, join_words

# Types of images that Pillow does not read, or does not read as they look.
_UNREAD = frozenset({
    ".avif", ".cr2", ".dcm", ".dng", ".eps", ".exr", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".nef",
    ".nii", ".npy", ".npz", ".psd", ".raw", ".svg", ".tga",
})  # fmt: skip


def is_image_folder(folder: Path) -> bool:
    """Whether a folder has images in it, in its sub-folders, or one level below those."""
    return any(_images(folder)) or any(_images(one) or _deeper(one) for one in _folders(folder))


def image_classes(folder: Path) -> list[str]:
    """Return the names of the sub-folders that hold images, directly or one level below."""
    return [one.name for one in _folders(folder) if _images(one) or _deeper(one)]


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
    tables = {
        role: _labelled(found[0]) if role == "train" else _table(found[0])
        for role, found in roles.items()
    }
    used = {one for found in roles.values() for one in found}
    others = [one.name for one in _folders(folder) if one not in used and (_images(one) or _deeper(one))]
    if others:
        notes = (*tables["train"].notes, f"{folder}: {unused_notice(others)}")
        tables["train"] = dataclasses.replace(tables["train"], notes=notes)
    return tables


def unused_notice(names: Sequence[str]) -> str:
    """Say which files or folders are not used, because their names give no role."""
    one = len(names) == 1
    return (
        f"{join_words(names, most=5)} {'is' if one else 'are'} not used, because "
        f"{'its name gives' if one else 'their names give'} no role (train, validation, test)"
    )


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
    skipped = [path for one in (folder, *_folders(folder)) for path in _entries(one) if _is_unread(path)]
    notes: tuple[str, ...] = ()
    if skipped:
        types = join_words(sorted({path.suffix.lower() for path in skipped}))
        places = join_words(sorted({path.parent.name for path in skipped}), most=5)
        notes = (
            f"{folder}: {counted(len(skipped), 'image')} of type {types} (in {places}) "
            f"{'is' if len(skipped) == 1 else 'are'} not read; convert them to PNG or JPEG",
        )
    return Table(str(folder), ("image", "label"), (images, labels), notes=notes)


def _is_unread(path: Path) -> bool:
    return path.suffix.lower() in _UNREAD


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
