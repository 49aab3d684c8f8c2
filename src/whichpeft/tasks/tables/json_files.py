"""Reads JSON and JSONL files of examples."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.tables.encodings import FileText, read_text, whole_rows, whole_text
from whichpeft.tasks.tables.table import Table
from whichpeft.units import join_words

# Keys under which a file has its examples, next to facts about them.
_EXAMPLES = frozenset({"data", "examples", "rows", "instances", "records", "train"})
_ROLES = frozenset({"train", "validation", "valid", "val", "dev", "test"})
# Files of other kinds, by names that only they have.
_NO_DATA = {
    frozenset({"peft_type"}): "is the configuration of an adapter, not data; give it with --method",
    frozenset({"model_type", "architectures"}): (
        "is the configuration of a model, not data; give its folder with --backbone"
    ),
    frozenset({"features", "builder_name", "splits", "download_checksums"}): (
        "describes a data set and holds no examples; name the folder or the file with the examples"
    ),
}
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read_jsonl(path: Path) -> Table:
    """Read one object per line, or an array as in a JSON file. Raises DataError."""
    read = read_text(path)
    return _from_json(path, read) if read.text.lstrip().startswith("[") else _from_lines(path, read)


def read_json(path: Path) -> Table:
    """Read an array of objects, columns by name, or an object with an array of examples.

    A file with one object per line is read as JSONL. Raises DataError.
    """
    return _from_json(path, read_text(path))


def _from_lines(path: Path, read: FileText) -> Table:
    objects = []
    plain = read.plain
    for line, written in enumerate(read.text.split("\n"), start=1):
        text = written.strip()
        if text.endswith(","):  # left over from an array
            text, plain = text[:-1].rstrip(), False
        if text:
            try:
                objects.append(_parsed(text))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {line} is not valid JSON: {error}") from None
    return _from_objects(path, read, objects, plain=plain)


def _from_json(path: Path, read: FileText) -> Table:
    try:
        value = _parsed(read.text)
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":  # one object per line, despite the suffix
            return _from_lines(path, read)
        raise DataError(f"{path}: is not valid JSON: {error}") from None
    plain = read.plain and isinstance(value, list)
    if isinstance(value, dict):
        columns = _columns(value)
        if columns is not None:
            return _table(path, read, tuple(value), columns, plain=plain)
        value = _examples(path, value)
    if not isinstance(value, list):
        raise DataError(f"{path}: is not a JSON array; write a list of objects, or JSONL")
    return _from_objects(path, read, value, plain=plain)


def _parsed(text: str) -> Any:
    """Parse JSON as the standard says: no name twice, no infinite number. NaN is a missing value."""
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the name {twice!r} twice; keep one of its values")
    return read


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is no number; write null, or leave the example out")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large for a number")
    return value


def _columns(value: Mapping[str, Any]) -> tuple[Sequence[Any], ...] | None:
    """Read columns by name: lists of plain values, or values by row as pandas writes them."""
    inner = list(value.values())
    if len(inner) < 2:
        return None
    by_row = [column for column in inner if isinstance(column, dict)]
    lists = [column for column in inner if isinstance(column, list)]
    if len(by_row) == len(inner):
        rows = list(by_row[0])
        level = all(list(column) == rows for column in by_row)
        if level and rows and all(row.isdecimal() for row in rows):
            return tuple([*column.values()] for column in by_row)
    plain = not any(isinstance(one, (dict, list)) for column in lists for one in column[:1])
    if len(lists) == len(inner) and len({*map(len, lists)}) == 1 and plain:
        return tuple(lists)
    return None


def _examples(path: Path, value: Mapping[str, Any]) -> list[Any]:
    """Return the only list of objects that an object holds. Raises DataError if there is none."""
    lists = {
        name: inner
        for name, inner in value.items()
        if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner)
    }
    if len(lists) > 1 and set(lists) & _ROLES:
        raise DataError(
            f"{path}: holds the sets {join_words(lists)} in one file; write a file for each, and name "
            "them with --train, --validation and --test"
        )
    if len(lists) == 1 and set(lists) <= _EXAMPLES:
        return next(iter(lists.values()))
    for keys, what in _NO_DATA.items():
        if keys & set(value):
            raise DataError(f"{path}: {what}")
    raise DataError(f"{path}: is not a JSON array; write a list of objects, or JSONL")


def _from_objects(path: Path, read: FileText, objects: Sequence[Any], *, plain: bool) -> Table:
    names: dict[str, None] = {}
    for i, row in enumerate(objects, start=1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{path}: example {i} is not a JSON object with named values: {str(row)[:60]!r}"
            )
        names.update(dict.fromkeys(row))
    columns = tuple([row.get(name) for row in objects] for name in names)
    return _table(path, read, tuple(names), columns, plain=plain)


def _table(
    path: Path,
    read: FileText,
    names: tuple[str, ...],
    columns: tuple[Sequence[Any], ...],
    *,
    plain: bool,
) -> Table:
    notes = read.notes
    if _ESCAPED_HALF.search(read.text):
        columns, note = whole_rows(str(path), columns)
        notes = (*notes, *note)
    return Table(
        str(path),
        tuple(map(whole_text, names)),
        columns,
        plain=plain and not notes and "NaN" not in read.text,
        notes=notes,
    )
