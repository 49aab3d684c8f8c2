"""Turns data sets of the `datasets` library into tables, from the hub or saved on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.errors import DataError
from whichpeft.tasks.tables.files import class_of
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import Unread, plain_value

if TYPE_CHECKING:
    from datasets import Dataset


def is_saved(path: Path) -> bool:
    """Whether a folder is a data set that `save_to_disk` has written."""
    return (path / "state.json").is_file() and (path / "dataset_info.json").is_file()


def read_saved(path: Path) -> Table:
    """Read a data set that `save_to_disk` has written. Raises DataError."""
    from datasets import Dataset

    try:
        data = Dataset.load_from_disk(str(path))
    except Exception as error:  # the library raises many types of errors for damaged folders
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: was saved with save_to_disk, but cannot be read: {reason}; write it again, for "
            "example with to_parquet()"
        ) from None
    return table_of(data, str(path))


def table_of(data: Dataset, location: str) -> Table:
    """Read a data set's columns: images as bytes, and a mark instead of each sound or video."""
    from datasets import Audio, ClassLabel, Image, Video

    features = data.features
    unread = {name: kind for name, kind in features.items() if isinstance(kind, Audio | Video)}
    for name, kind in features.items():
        if isinstance(kind, Image):
            data = data.cast_column(name, Image(decode=False))
    read = data.select_columns([name for name in features if name not in unread]).to_dict()
    columns: list[list[object]] = []
    orders: dict[int, tuple[str, ...]] = {}
    for index, (name, kind) in enumerate(features.items()):
        if name in unread:
            columns.append([Unread("sounds" if isinstance(kind, Audio) else "videos")] * len(data))
        elif isinstance(kind := _innermost(kind), ClassLabel):
            orders[index] = tuple(kind.names)
            columns.append([class_of(value, kind.names) for value in read[name]])
        else:
            columns.append(list(map(plain_value, read[name])))
    return Table(location, tuple(features), tuple(columns), orders)


def _innermost(kind: Any) -> Any:
    """Return what a feature holds below its lists, such as the tags of a sentence."""
    while hasattr(kind, "feature"):
        kind = kind.feature
    return kind
