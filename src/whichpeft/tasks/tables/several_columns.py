"""Reads several labels per example: lists, objects, joined names, or a column of 0 and 1 per label."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.labels import class_name, is_missing, number
from whichpeft.tasks.several_labels import SeveralLabelsTask, assemble_several, joined
from whichpeft.tasks.splits import Split
from whichpeft.tasks.tables.columns import LABEL_NAMES, find_columns, folded_name
from whichpeft.tasks.tables.several_labels import SEPARATORS, is_list
from whichpeft.tasks.tables.table import ColumnUse, Table, TaskTables
from whichpeft.tasks.tables.values import column_texts, named_column, shown, trimmed

_NAMES = (*LABEL_NAMES, "labels", "tags", "categories", "cats", "genres", "topics")
_YES = frozenset({"1", "true", "yes"})
_FLAGS = frozenset({"0", "false", "no"}) | _YES
_OWN = "labels of an example"
Reader = Callable[[Any], "list[str]"]


def has_several_labels(found: TaskTables) -> bool:
    """Whether the source asks for several labels, or the column of labels holds lists or objects."""
    source = found.source
    if source.problem is not None:
        return source.problem == "multilabel"
    if source.prompt:
        return False
    train = found.tables["train"]
    place = _label_column(train, source.label_column)
    return place is not None and _holds_lists(train, place)


def several_from_tables(found: TaskTables) -> SeveralLabelsTask:
    """Build a task whose examples have any number of labels.

    Raises DataError if a column is missing, or a value is not what its column holds in general.
    """
    source, train = found.source, found.tables["train"]
    place = _label_column(train, source.label_column)
    flags = [] if source.label_column else _flag_columns(train)
    if place is not None and (source.label_column or not flags or _holds_lists(train, place)):
        flags, titles = [], [train.title(place)]
    elif len(flags) > 1:
        titles = [train.title(i) for i in flags]
    else:
        raise DataError(
            f"{train.location}: no column holds several labels per example; give --label-column for a "
            "column of lists or of names with a separator, or one column of 0 and 1 per label"
        )
    splits: dict[str, Split] = {}
    notes: list[str] = list(train.notes)
    inputs: tuple[str, ...] = ()
    for role, table in found.tables.items():
        labels = _from_flags(table, titles) if flags else _from_values(table, titles[0], train)
        whole = _with_labels(table, titles, labels)
        own = find_columns(whole, source.text_columns or inputs, _OWN)
        inputs = tuple(whole.title(i) for i in own.input)
        texts = [column_texts(whole, i) for i in own.input]
        rows = [
            (tuple(map(trimmed, row)), label)
            for *row, label in zip(*texts, labels, strict=True)
            if label is not None and any(part.strip() for part in row)
        ]
        if len(rows) < len(table):
            notes.append(
                f"{table.location}: {len(table) - len(rows)} rows without text or label were skipped"
            )
        splits[role] = Split(
            inputs=tuple(row for row, _ in rows),
            labels=tuple(joined(label) for _, label in rows),
            location=table.location,
        )
    order = titles if flags else train.class_orders.get(train.index(titles[0]), ())
    used = {*inputs, *titles}
    return assemble_several(
        found.name,
        splits,
        metric=source.metric,
        order=order,
        columns=ColumnUse(
            text=inputs,
            label=", ".join(titles),
            unused=tuple(t for t in map(train.title, range(len(train.columns))) if t not in used),
        ),
        notes=notes,
    )


def labels_in(table: Table, column: str | None, classes: Sequence[str]) -> list[list[str] | None] | None:
    """Return the labels of each row of new data; None if it has none.

    They are in `column`, or in a column of 0 and 1 for each of `classes`. Raises DataError if a value is
    not like the others.
    """
    place = table.find(column) if column is not None else None
    if place is not None:
        return _from_values(table, table.title(place), table)
    found = [table.find(one) for one in classes]
    titles = [table.title(own) for own in found if own is not None]
    return _from_flags(table, titles) if titles and len(titles) == len(found) else None


def _label_column(table: Table, given: str | None) -> int | None:
    if given is not None:
        return table.index(given)
    folded = [folded_name(name) for name in table.names or ()]
    return next((folded.index(name) for name in _NAMES if name in folded), None)


def _holds_lists(table: Table, place: int) -> bool:
    values = [value for value in table.columns[place] if not is_missing(value)]
    return bool(values) and all(
        isinstance(value, list) or _is_flags(value) or (isinstance(value, str) and is_list(value))
        for value in values
    )


def _is_flags(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and {_flag(one) for one in value.values()} <= _FLAGS


def _flag_columns(table: Table) -> list[int]:
    """Return the columns of 0 and 1 only, if there are two or more."""
    found = []
    for place in range(len(table.columns)):
        values = {_flag(value) for value in table.labels(place)}
        if values and values <= _FLAGS:
            found.append(place)
    return found


def _flag(value: Any) -> str:
    found = number(value)
    return str(value).strip().casefold() if found is None else class_name(found)


def _from_flags(table: Table, titles: Sequence[str]) -> list[list[str] | None]:
    columns = [table.labels(table.index(title)) for title in titles]
    rows: list[list[str] | None] = []
    for row, values in enumerate(zip(*columns, strict=True), start=1):
        read = list(map(_flag, values))
        for title, value, flag in zip(titles, values, read, strict=True):
            if flag not in _FLAGS:
                raise DataError(
                    f"{table.location}: column {title!r}, row {row}: {shown(value)} is neither 0 nor 1"
                )
        rows.append([title for title, flag in zip(titles, read, strict=True) if flag in _YES])
    return rows


def _from_values(table: Table, title: str, train: Table) -> list[list[str] | None]:
    place = table.index(title)
    values = table.columns[place]
    known = train.columns[train.index(title)]
    read = _reader(known, table.class_orders.get(place, ()))
    rows: list[list[str] | None] = []
    for row, value in enumerate(values, start=1):
        if value is None:
            rows.append(None)
            continue
        try:
            rows.append(read(value))
        except (ValueError, SyntaxError, TypeError):
            raise DataError(
                f"{named_column(table, place)}, row {row}: {shown(value)} is not like the other rows, "
                "which hold several labels each; write it as they are"
            ) from None
    return rows


def _reader(values: Sequence[Any], order: Sequence[str]) -> Reader:
    """Return how the labels of a value are read, from the values of train."""
    some = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in some):
        if all(map(is_list, some)):
            parsed = list(map(_parsed, some))
            inner = _reader(parsed, order)
            return lambda value: inner(_parsed(value))
        separator = next((one for one in SEPARATORS if any(one in value for value in some)), None)
        return lambda value: _names(str(value).split(separator) if separator else [value], order)
    if any(isinstance(value, dict) for value in some):
        return _of_object
    lengths = {len(value) for value in some if isinstance(value, list | tuple)}
    if len(lengths) == 1 and lengths != {1} and all(_flag(one) in _FLAGS for own in some for one in own):
        return lambda value: _of_flags(value, lengths, order)
    return lambda value: _names(_sequence(value), order)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        # [a, b] without quotation marks, or [1 0 1] as numpy writes it
        inside = text.strip().strip("[]()").strip()
        return [one.strip() for one in (inside.split(",") if "," in inside else inside.split())]
    return sorted(found, key=str) if isinstance(found, set | frozenset) else found


def _sequence(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return value


def _names(values: Sequence[Any], order: Sequence[str]) -> list[str]:
    if any(isinstance(value, list | tuple | dict) for value in values):
        raise TypeError
    numbered = (
        order[value] if isinstance(value, int) and 0 <= value < len(order) else class_name(value)
        for value in values
        if not is_missing(value)
    )
    return [name.strip() for name in numbered if name.strip()]


def _of_flags(value: Any, lengths: set[int], order: Sequence[str]) -> list[str]:
    flags = list(map(_flag, _sequence(value)))
    if len(flags) not in lengths or not set(flags) <= _FLAGS:
        raise ValueError
    return [order[i] if i < len(order) else str(i) for i, flag in enumerate(flags) if flag in _YES]


def _of_object(value: Any) -> list[str]:
    if not _is_flags(value):
        raise TypeError
    return [str(name) for name, flag in value.items() if _flag(flag) in _YES]


def _with_labels(table: Table, titles: Sequence[str], labels: Sequence[list[str] | None]) -> Table:
    """Return a table with one column of joined labels in place of the columns that hold them."""
    gone = {table.index(title) for title in titles}
    kept = [i for i in range(len(table.columns)) if i not in gone]
    return dataclasses.replace(
        table,
        names=(*map(table.title, kept), _OWN),
        columns=(
            *(table.columns[i] for i in kept),
            [None if own is None else joined(own) for own in labels],
        ),
        class_orders={},
        numbers={new: table.numbers[i] for new, i in enumerate(kept) if i in table.numbers},
    )
