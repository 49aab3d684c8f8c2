"""Proteins with a tag per residue, if sequence and tags are two strings of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from whichpeft.tasks.residues.alphabet import are_residues
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.values import column_kind

_ALIKE = 0.9  # of the rows; others are refused by their row
_SHORTEST = 5
_MOST_TAGS = 40


def with_tags_apart(found: TaskTables) -> TaskTables:
    """Return tables with a list of residues and a list of tags per row, if they hold them as strings.

    Nothing changes if the source asks for another problem, or no column has a letter per residue.
    """
    source, train = found.source, found.tables["train"]
    if source.problem not in (None, "tagging") or source.prompt or len(source.text_columns) > 1:
        return found
    pair = _pair(train, *source.text_columns, label=source.label_column)
    if pair is None:
        return found
    names = tuple(map(train.title, pair))
    tables = {
        role: letters_apart(table, *map(table.index, names)) for role, table in found.tables.items()
    }
    source = replace(source, text_columns=names[:1], label_column=names[1])
    return replace(found, tables=tables, source=source)


def _pair(table: Table, text: str | None = None, *, label: str | None = None) -> tuple[int, int] | None:
    """Return the columns of residues and of tags as strings, or None."""
    columns = range(len(table.columns))
    proteins = [table.find(text)] if text is not None else columns
    tags = [table.find(label)] if label is not None else columns
    for sequence in proteins:
        if sequence is None or not are_residues(table.columns[sequence]):
            continue
        for other in tags:
            if other not in (None, sequence) and _tags(table.columns[sequence], table.columns[other]):
                return sequence, other
    return None


def _tags(sequences: Sequence[Any], values: Sequence[Any]) -> bool:
    """Whether values have a letter for each residue, and are no sequences themselves."""
    pairs = list(zip(sequences, values, strict=True))
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        return False
    alike = sum(len(one.strip()) == len(other.strip()) >= _SHORTEST for one, other in pairs)
    return (
        alike >= _ALIKE * len(pairs)
        and len(set("".join(values))) <= _MOST_TAGS
        and not are_residues(values)
    )


def letters_apart(table: Table, *places: int | None) -> Table:
    """Return a table with lists of letters in some columns, if these hold strings."""
    return replace(
        table,
        columns=tuple(
            [list(str(value or "").strip()) for value in column]
            if place in places and column_kind(column) is None
            else column
            for place, column in enumerate(table.columns)
        ),
    )
