"""Tables: columns as read from files or a hub data set, before their meaning is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whichpeft.errors import DataError, suggestion
from whichpeft.metrics.metric import Metric
from whichpeft.study import TaskSource
from whichpeft.tasks.tables.numerals import SpeltNumbers


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length."""

    location: str
    """File or data set, for messages."""
    names: tuple[str, ...] | None
    """Names of the columns; None without a header."""
    columns: tuple[Sequence[Any], ...]
    """Values column by column, as the format gives them (text, numbers, None)."""
    class_orders: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Names of the classes, in order, for each column whose source numbers its classes."""
    separator: str | None = None
    """Separator between the fields of a text file; None for formats without one."""
    quoted: bool = True
    """Whether quotation marks enclose fields of a text file."""
    encoding: str = "utf-8-sig"
    """Python's name of a text file's encoding."""
    plain: bool = True
    """Whether other libraries read a JSON or Parquet file in the same way."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the file was read, one sentence without a full stop each."""
    numbers: Mapping[int, SpeltNumbers] = field(default_factory=dict)
    """How numbers with commas are read, by column."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def labels(self, index: int) -> Sequence[Any]:
        """Return the values of a column as labels: numbers always with a decimal point."""
        spelt = self.numbers.get(index)
        return [*map(spelt.of, self.columns[index])] if spelt is not None else self.columns[index]

    def notes_on_labels(self, index: int) -> tuple[str, ...]:
        """Return the table's notes, with one on how a column of labels is read if there is any."""
        spelt = self.numbers.get(index)
        if spelt is None:
            return self.notes
        return (*self.notes, f"{self.location}: column {self.title(index)!r}: {spelt.note}")

    def find(self, column: str) -> int | None:
        """Return the index of a column given by its name or 0-based index; None if it is missing."""
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

        Raises DataError, which lists the columns, if no column has this name or index.
        """
        found = self.find(column)
        if found is not None:
            return found
        if self.names is None:
            raise DataError(
                f"{self.location}: no column {column!r}; the file has no header, so give an index from "
                f"0 to {len(self.columns) - 1}"
            )
        columns = ", ".join(self.names)
        raise DataError(
            f"{self.location}: no column {column!r}"
            f"{suggestion(column, self.names, fix=f'its columns are {columns}')}"
        )

    def title(self, index: int) -> str:
        """Return what messages call a column."""
        return self.names[index] if self.names is not None else str(index)


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What the columns of a table are used for, by their titles."""

    text: tuple[str, ...]
    """Columns of the input."""
    label: str | None
    """Column of the label or of the completion; None if there is none."""
    unused: tuple[str, ...]
    """Columns that nothing reads."""


@dataclass(frozen=True, slots=True)
class TaskTables:
    """The tables of a task by role, before their columns and uses are known."""

    name: str
    """Name of the task."""
    source: TaskSource
    """The user's source, completed with columns that are known in advance."""
    tables: Mapping[str, Table]
    """The tables by role: train, validation, dev, test."""
    origins: Mapping[str, tuple[str, ...]]
    """By role: the files or the folder of images of a table, or the split of a hub data set."""
    given: tuple[str, ...] = ()
    """The roles that the source gives by name."""
    metrics: tuple[Metric, ...] = ()
    """Metrics that come with the data set, if any."""
    hub: tuple[str, str | None] | None = None
    """Id and configuration on the hub, if the data are from there."""
