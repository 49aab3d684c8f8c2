"""The study's data as the training script reads them: sets, columns and formats."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whichpeft.study import TaskSource
from whichpeft.tasks import find_data
from whichpeft.tasks.labels import is_missing
from whichpeft.tasks.splits import choose_evaluation_splits
from whichpeft.tasks.tables.columns import Columns
from whichpeft.tasks.tables.files import read_table
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.to_task import columns_by_role

# Every field stays as it is written: "None" is a valid text and "1.0" a valid label.
READING: Mapping[str, object] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}


@dataclass(frozen=True, slots=True)
class ScriptData:
    """Defaults of the script's options, and how pandas reads the study's own files."""

    study: Mapping[str, object] = field(default_factory=dict)
    """``data`` (a hub id, or ``id:config``) and the files, folders or splits of each set.

    Empty if the data come from neither a file nor the hub.
    """

    columns: tuple[tuple[str, ...], str] | None = None
    """The columns of the input, and the column of the label."""

    labels: tuple[str | float, ...] = ()
    """The labels that occur, as texts without spaces at the ends, or as numbers with a point."""

    formats: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """How to read each file that needs more than its name.

    Arguments of `pandas.read_csv`; or, for a file that other libraries read differently, the ``wanted``
    names for `read_table` and the ``columns`` by name.
    """


def script_data(source: TaskSource) -> ScriptData:
    """Resolve the data of a task by the same rules as in the study.

    Raises
    ------
    DataError
        If the data can no longer be read.
    """
    found = find_data(source)
    if found is None:
        return ScriptData()
    used, _ = columns_by_role(found)
    validation, test = choose_evaluation_splits(
        *(role if role in used else None for role in ("validation", "dev", "test"))
    )
    roles = {"train": "train", "validation": validation, "test": test}
    origins = {role: _origins(found, own) for role, own in roles.items() if own is not None}
    train = found.tables["train"]
    titles = tuple(train.title(index) for index in (*used["train"].input, used["train"].label))
    study: dict[str, object] = {**origins}
    if found.hub is not None:
        name, config = found.hub
        study["data"] = name if config is None else f"{name}:{config}"
    formats = {
        file: _format(Path(file), found.tables[own], used[own], titles)
        for role, own in roles.items()
        if own is not None and (found.tables[own].separator is not None or not found.tables[own].plain)
        for file in origins[role]
    }
    return ScriptData(study, (titles[:-1], titles[-1]), _labels(found, used), formats)


def _labels(found: TaskTables, used: Mapping[str, Columns]) -> tuple[str | float, ...]:
    read = (value for role, own in used.items() for value in found.tables[role].labels(own.label))
    plain = (value.strip() if isinstance(value, str) else value for value in read)
    return tuple(dict.fromkeys(v for v in plain if isinstance(v, (str, float)) and not is_missing(v)))


def _origins(found: TaskTables, role: str) -> list[str]:
    origins = found.origins[role]
    return list(origins) if found.hub is not None else [str(Path(one).resolve()) for one in origins]


def _format(path: Path, table: Table, columns: Columns, titles: tuple[str, ...]) -> dict[str, object]:
    """Return how to read a file so that its columns have the names of the training set."""
    places = (*columns.input, columns.label)
    wanted = [table.title(place) for place in places] if table.names is not None else []
    # A shard may have the columns of the whole in another order.
    own = read_table(path, wanted)
    if own.names is not None:
        places = tuple(own.index(name) for name in wanted)
    renamed = dict(zip(places, titles, strict=True))
    if own.separator is not None:
        names = [renamed.get(i, f"other {i}" if own.title(i) in titles else own.title(i))
                 for i in range(len(own.columns))]  # fmt: skip
        how: dict[str, object] = {
            "sep": own.separator,
            "quoting": int(csv.QUOTE_MINIMAL if own.quoted else csv.QUOTE_NONE),
            "header": None if own.names is None else 0,
            "names": names,
        }
        if own.encoding != "utf-8-sig":
            how["encoding"] = own.encoding
        if _pandas_agrees(path, how, own, renamed):
            return how
    return {"wanted": wanted, "columns": {name: place for place, name in renamed.items()}}


def _pandas_agrees(path: Path, how: Mapping[str, object], table: Table, used: Mapping[int, str]) -> bool:
    """Whether pandas reads the columns that are used as the study does."""
    import pandas as pd

    arguments: dict[str, Any] = {**READING, **how}
    try:
        frame = pd.read_csv(path, **arguments)
    except (ValueError, OSError):
        return False
    *inputs, label = used
    return all(frame[used[i]].tolist() == [*table.columns[i]] for i in inputs) and (
        frame[used[label]].tolist() == [*table.labels(label)]
    )
