"""Tables: columns as read from files or a hub data set, before anyone knows what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whichpeft.errors import DataError, suggestion
from whichpeft.metrics.metric import Metric
from whichpeft.study import TaskSource


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length.

    where: file or data set, for messages. names: by column, or None without a header.
    columns: values as the format gives them (text, numbers, None), column by column.
    class_orders: names of the classes of a column whose source numbers them, by column.
    separator, quoted: what stands between the fields of a text file, and whether quotation marks
    enclose some; None where the fields need no such thing.
    """

    where: str
    names: tuple[str, ...] | None
    columns: tuple[Sequence[Any], ...]
    class_orders: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    separator: str | None = None
    quoted: bool = True

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def find(self, column: str) -> int | None:
        """Return the index of a column given by name, or by 0-based index; None where it lacks."""
        if self.names is not None:
            if column in self.names:
                return self.names.index(column)
            folded = [name.casefold() for name in self.names]
            if column.casefold() in folded:
                return folded.index(column.casefold())
        if column.isdecimal() and int(column) < len(self.columns):
            return int(column)
        return None

    def index(self, column: str) -> int:
        """Return the index of a column.

        Raises DataError, which lists the columns, where there is none of that name or index.
        """
        found = self.find(column)
        if found is not None:
            return found
        if self.names is None:
            raise DataError(
                f"{self.where}: no column {column!r}; it has no header, so give an index from 0 to "
                f"{len(self.columns) - 1}"
            )
        columns = ", ".join(self.names)
        raise DataError(
            f"{self.where}: no column {column!r}"
            f"{suggestion(column, self.names, fix=f'its columns are {columns}')}"
        )

    def title(self, index: int) -> str:
        """Name a column in a message."""
        return self.names[index] if self.names is not None else str(index)


@dataclass(frozen=True, slots=True)
class TaskTables:
    """The tables that a source leads to, by role, before their columns and uses are known.

    source: with the columns that are known beforehand. origins: by role, the files or the folder of
    images that a table was read from, or the name of the split of a hub data set. hub: its id and
    configuration, where it is one. given: the roles that the source gives by name.
    """

    name: str
    source: TaskSource
    tables: Mapping[str, Table]
    origins: Mapping[str, tuple[str, ...]]
    given: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    hub: tuple[str, str | None] | None = None
