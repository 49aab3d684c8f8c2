"""Reads files of examples: CSV, TSV, TXT, JSONL, JSON (an array), Parquet, CoNLL and FASTA."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.tables.conll import SUFFIXES as CONLL
from whichpeft.tasks.tables.conll import read_conll
from whichpeft.tasks.tables.delimited import split_fields
from whichpeft.tasks.tables.encodings import read_text, refuse_foreign
from whichpeft.tasks.tables.fasta import SUFFIXES as FASTA
from whichpeft.tasks.tables.fasta import read_fasta
from whichpeft.tasks.tables.header import Header, column_names, find_header
from whichpeft.tasks.tables.json_files import read_json, read_jsonl
from whichpeft.tasks.tables.numerals import spelt_columns
from whichpeft.tasks.tables.quoting import without_other_marks
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import plain_value
from whichpeft.units import counted, join_words


def read_table(path: Path, wanted: Collection[str] = ()) -> Table:
    """Read a file of examples in the format of its suffix.

    `wanted` are column names that the caller expects: a first line with one of them is a header. Raises
    DataError if the file cannot be read in this format.
    """
    reader = _READERS.get(suffix_of(path))
    if reader is None:
        fix = f"; {_CONVERTED[suffix_of(path)]}" if suffix_of(path) in _CONVERTED else ""
        raise DataError(
            f"{path}: files of type {path.suffix or '(none)'} are not supported; "
            f"use one of {', '.join(_READERS)}{fix}"
        )
    try:
        table = reader(path, wanted)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not len(table):
        raise DataError(f"{path}: contains no rows; the split is empty")
    return table


def suffix_of(path: Path) -> str:
    """Return the suffix of a format in lower case: ``.csv`` for ``A.CSV`` and ``a.csv.gz``."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


def _read_delimited(path: Path, wanted: Collection[str]) -> Table:
    read = read_text(path)
    fields = split_fields(path, read.text, suffix_of(path), wanted)
    if not fields.rows:
        raise DataError(f"{path}: is empty")
    rows, unmarked = without_other_marks(path, fields.rows)
    header = Header(True) if fields.header else find_header(rows, wanted)
    notes = [*read.notes, *fields.notes, *unmarked]
    names: tuple[str, ...] | None = None
    if header.doubtful:
        notes.append(_doubt(path, rows[0], found=header.found))
    if header.found:
        first = [name.strip() for name in rows[0]]
        names = column_names(str(path), first, wanted)
        below = [row for row in rows[1:] if [field.strip() for field in row] != first]
        if again := len(rows) - 1 - len(below):
            notes.append(f"{path}: the header is repeated in {counted(again, 'row')}, left out here")
        rows = below
    columns = tuple(zip(*rows, strict=True)) if rows else ()
    return Table(
        str(path),
        names,
        columns,
        separator=fields.separator,
        quoted=fields.quoted,
        encoding=read.encoding,
        notes=tuple(notes),
        numbers=spelt_columns(columns, fields.separator),
    )


def _doubt(path: Path, first: Sequence[str], *, found: bool) -> str:
    shown = join_words([repr(field.strip()[:40]) for field in first], most=4)
    if found:
        return (
            f"{path}: the first row ({shown}) is read as the names of the columns; if it is an example, "
            "put a row of names above it"
        )
    return (
        f"{path}: the first row ({shown}) is read as an example; if it names the columns, give one of "
        "them with --text-column or --label-column"
    )


def _read_parquet(path: Path, wanted: Collection[str]) -> Table:
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as file:
        refuse_foreign(path, file.read(64), but=b"PAR1")
    try:
        read = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from None
    columns = [
        _values(path, name, column) for name, column in zip(read.column_names, read.columns, strict=True)
    ]
    orders: dict[int, tuple[str, ...]] = {}
    for index, classes in _class_labels(read.schema.metadata, read.column_names).items():
        columns[index] = [class_of(value, classes) for value in columns[index]]
        orders[index] = classes
    names = column_names(str(path), read.column_names, wanted)
    plain = not any(map(pyarrow.types.is_decimal, read.schema.types))
    return Table(str(path), names, tuple(columns), orders, plain=plain)


def _values(path: Path, name: str, column: Any) -> list[Any]:
    """Return the values of a Parquet column; exact decimals become floats, as in other formats."""
    import pyarrow

    if pyarrow.types.is_decimal(column.type):
        column = column.cast(pyarrow.float64())
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: column {name!r} has text that is not UTF-8; write it again as strings"
        ) from None
    return list(map(plain_value, values))


def class_of(value: Any, classes: Sequence[str]) -> Any:
    """Return the name of a class number, or those of a list of them.

    Hub data sets give unlabelled examples the number -1, which has no name.
    """
    if isinstance(value, list):
        return [class_of(one, classes) for one in value]
    return None if value is None or not 0 <= value < len(classes) else classes[value]


def _class_labels(
    metadata: Mapping[bytes, bytes] | None, names: Sequence[str]
) -> dict[int, tuple[str, ...]]:
    """Return the class names that the `datasets` library writes into a Parquet file's schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    # The tags of a sentence are a list of numbers, whose names are one level deeper.
    found = {index: _innermost(features.get(name)) for index, name in enumerate(names)}
    return {
        index: tuple(feature["names"])
        for index, feature in found.items()
        if feature.get("_type") == "ClassLabel"
    }


def _innermost(feature: object) -> Mapping[str, Any]:
    while isinstance(feature, dict) and "feature" in feature:
        feature = feature["feature"]
    return feature if isinstance(feature, dict) else {}


_READERS: Mapping[str, Callable[[Path, Collection[str]], Table]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".tab": _read_delimited,
    ".txt": _read_delimited,
    ".jsonl": lambda path, _wanted: read_jsonl(path),
    ".ndjson": lambda path, _wanted: read_jsonl(path),
    ".json": lambda path, _wanted: read_json(path),
    ".parquet": _read_parquet,
    **{suffix: lambda path, _wanted: read_conll(path) for suffix in CONLL},
    **{suffix: lambda path, _wanted: read_fasta(path) for suffix in FASTA},
}
# What to do with files that other libraries write.
_CONVERTED = {
    ".arrow": "name the folder that save_to_disk wrote, or write the data with to_parquet()",
    ".feather": "write the data with to_parquet()",
    ".pkl": "write the data with to_parquet()",
    ".xls": "save the table as CSV (UTF-8)",
    ".xlsx": "save the table as CSV (UTF-8)",
    ".zip": "unpack the archive and name the file or folder",
}
SUFFIXES = frozenset(_READERS)
