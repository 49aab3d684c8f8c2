"""Reads files of examples: CSV, TSV, TXT, JSONL, JSON (an array) and Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.labels import number
from whichpeft.tasks.tables.columns import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES
from whichpeft.tasks.tables.table import Table

Rows = list[list[str]]

# Possible separators between fields, likeliest first.
_DELIMITERS = {".csv": ",;\t|", ".tsv": "\t", ".txt": "\t,;|"}
_CUSTOMARY = {
    *LABEL_NAMES,
    *TEXT_NAMES,
    *(name for pair in PAIR_NAMES for name in pair),
    "id",
    "idx",
    "index",
}
_TITLE = re.compile(r"[A-Za-z_][\w ./#-]{0,40}")


def read_table(path: Path, wanted: Collection[str] = ()) -> Table:
    """Read a file of examples in the format of its suffix.

    `wanted` are column names that the caller expects: a first line with one of them is a header. Raises
    DataError if the file cannot be read in this format.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: files of type {path.suffix or '(none)'} are not supported; "
            f"use one of {', '.join(_READERS)}"
        )
    try:
        table = reader(path, wanted)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not len(table):
        raise DataError(f"{path}: contains no rows; the split is empty")
    return table


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 text (byte {error.start}); convert it, for example with "
            f"iconv -f latin1 -t utf-8"
        ) from None


def _read_delimited(path: Path, wanted: Collection[str]) -> Table:
    text = _text(path)
    rows, separator, quoted = _rows(path, text)
    if not rows:
        raise DataError(f"{path}: is empty")
    header = _has_header(rows, wanted)
    names = tuple(name.strip() for name in rows[0]) if header else None
    columns = tuple(zip(*rows[header:], strict=True)) if rows[header:] else ()
    return Table(str(path), names, columns, separator=separator, quoted=quoted)


def _rows(path: Path, text: str) -> tuple[Rows, str, bool]:
    """Split lines into fields, trying separators until all rows have the same number of fields.

    Return the rows, the separator, and whether quotation marks were used.
    """
    delimiters = _DELIMITERS[path.suffix.lower()]
    single: tuple[Rows, str, bool] | None = None
    ragged: Rows | None = None
    fault: DataError | None = None
    readings = [
        (mark, quoted) for mark in delimiters for quoted in (False, True) if quoted or mark == "\t"
    ]
    for delimiter, quoted in readings:
        try:
            rows = _quoted(path, text, delimiter) if quoted else _unquoted(text)
        except DataError as error:
            fault = fault or error
            continue
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths != {1}:
            return rows, delimiter, quoted
        if widths <= {1}:
            single = single or (rows, delimiter, quoted)
        elif ragged is None:
            ragged = rows
    if ragged is not None:
        width = len(ragged[0])
        line, row = next((i, row) for i, row in enumerate(ragged, start=1) if len(row) != width)
        raise DataError(
            f"{path}: row {line} has {len(row)} fields, but the first row has {width}; "
            "quote texts that contain the separator, or use JSONL"
        )
    if fault is not None:
        raise fault
    return single or ([], delimiters[0], True)


def _unquoted(text: str) -> Rows:
    # Not splitlines(): texts may contain the rarer line separators of Unicode.
    lines = text.replace("\r\n", "\n").split("\n")
    return [line.split("\t") for line in lines if line.strip()]


def _quoted(path: Path, text: str, delimiter: str) -> Rows:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

    def parse(*, strict: bool) -> Rows:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
        return [row for row in reader if any(field.strip() for field in row)]

    try:
        return parse(strict=True)
    except csv.Error as error:
        # An unclosed quote swallows the rest of the file; other mistakes are harmless.
        if "unexpected end" in str(error):
            raise DataError(f"{path}: a quotation mark is opened but never closed") from None
    try:
        return parse(strict=False)
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _has_header(rows: Rows, wanted: Collection[str]) -> bool:
    """Whether the first row names the columns instead of being an example.

    It does if it contains a wanted or customary name; or if all its fields look like names, none of them
    occurs below, and a column below has only numbers or only sentences.
    """
    first = [field.strip() for field in rows[0]]
    folded = {field.casefold() for field in first}
    if any(column.casefold() in folded for column in wanted if not column.isdecimal()):
        return True
    if len(set(first)) < len(first) or not all(_TITLE.fullmatch(field) for field in first):
        return False
    below = rows[1:1001]
    if any(row[i].strip() == field for row in below for i, field in enumerate(first)):
        return False
    if folded & _CUSTOMARY:
        return True
    for i, field in enumerate(first):
        values = [row[i].strip() for row in below if row[i].strip()]
        if values and all(number(value) is not None for value in values):
            return True
        sentences = sum(len(value.split()) > 2 for value in values)
        if values and len(field.split()) <= 2 and sentences > 0.8 * len(values):
            return True
    return False


def _read_jsonl(path: Path, _wanted: Collection[str]) -> Table:
    objects = []
    for line, text in enumerate(_text(path).split("\n"), start=1):
        if text.strip():
            try:
                objects.append(json.loads(text))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {line} is not valid JSON: {error}") from None
    return _from_objects(path, objects)


def _read_json(path: Path, wanted: Collection[str]) -> Table:
    try:
        objects = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":  # one object per line, despite the suffix
            return _read_jsonl(path, wanted)
        raise DataError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(objects, list):
        raise DataError(f"{path}: is not a JSON array; write a list of objects, or JSONL")
    return _from_objects(path, objects)


def _from_objects(path: Path, objects: Sequence[Any]) -> Table:
    names: dict[str, None] = {}
    for i, row in enumerate(objects, start=1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{path}: example {i} is not a JSON object with named values: {str(row)[:60]!r}"
            )
        names.update(dict.fromkeys(row))
    columns = tuple([row.get(name) for row in objects] for name in names)
    return Table(str(path), tuple(names), columns)


def _read_parquet(path: Path, _wanted: Collection[str]) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        read = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from None
    columns = [column.to_pylist() for column in read.columns]
    orders: dict[int, tuple[str, ...]] = {}
    for index, classes in _class_labels(read.schema.metadata, read.column_names).items():
        columns[index] = [class_of(value, classes) for value in columns[index]]
        orders[index] = classes
    return Table(str(path), tuple(read.column_names), tuple(columns), orders)


def class_of(value: int | None, classes: Sequence[str]) -> str | None:
    """Return the name of a class number; hub data sets give unlabelled examples the number -1."""
    return None if value is None or not 0 <= value < len(classes) else classes[value]


def _class_labels(
    metadata: Mapping[bytes, bytes] | None, names: Sequence[str]
) -> dict[int, tuple[str, ...]]:
    """Return the class names that the `datasets` library writes into a Parquet file's schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        index: tuple(features[name]["names"])
        for index, name in enumerate(names)
        if isinstance(features.get(name), dict) and features[name].get("_type") == "ClassLabel"
    }


_READERS: Mapping[str, Callable[[Path, Collection[str]], Table]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".txt": _read_delimited,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
SUFFIXES = frozenset(_READERS)
