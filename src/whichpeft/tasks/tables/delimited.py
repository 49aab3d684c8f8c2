"""Splits the text of CSV, TSV and TXT files into rows of fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.labels import number
from whichpeft.tasks.tables.quoting import Fields, parsed_rows, split_by_tabs, split_quoted
from whichpeft.units import counted

# Possible separators between fields, likeliest first.
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|", ".tab": "\t,;|", ".txt": "\t,;|"}
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Excel reads the separator from a first line of its own.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)

_DIGITS_BEFORE = re.compile(r"(?:.*[;\t|])?\s*[+-]?(?:\d+\.)*\d+", re.DOTALL)
_DIGITS = re.compile(r"\d+\s*(?:[;\t|].*)?", re.DOTALL)


def split_fields(path: Path, text: str, suffix: str, wanted: Collection[str] = ()) -> Fields:
    """Split the text of a file into rows of fields, all of the same number.

    The separator is found from all rows; the suffix only decides which one is likelier. If the first
    line is one of the `wanted` names alone, each line is a field, whatever separators it contains.

    Raises
    ------
    DataError
        If no separator gives rows of one length, or a quotation mark is never closed.
    """
    stated = _SEPARATOR_LINE.match(text)
    if stated:
        text, separators = text[stated.end() :], stated.group(1)
    else:
        separators = SEPARATORS[suffix]
    read: list[Fields] = []
    ragged: list[Fields] = []
    single: Fields | None = None
    fault: DataError | None = None
    for separator in separators:
        if read and not _may_separate(text, separator):
            continue
        try:
            fields = (
                split_by_tabs(path, text) if separator == "\t" else split_quoted(path, text, separator)
            )
        except DataError as error:
            fault = fault or error
            continue
        if fields.widths <= {1}:
            single = single or fields
            continue
        found = fields if len(fields.widths) == 1 else _levelled(path, fields)
        if found is None or _cuts_numbers(found):
            ragged.append(fields)
        else:
            read.append(found)
    if suffix in (".tsv", ".tab") and single is not None and single.separator == "\t":
        # One column of texts, each of which may have a comma.
        read = [fields for fields in read if len(fields.rows) > 2 and not _cuts_sentences(fields)]
        if not read:
            return single
    if single is not None and single.rows and single.rows[0][0].strip() in wanted:  # a one-column file
        return single
    if read:
        return _likeliest(path, read)
    if ragged and not _one_column(single, ragged, separators):
        raise _uneven(path, ragged[0])
    if fault is not None:
        raise fault
    return single or Fields([], separators[0], True)


def _one_column(single: Fields | None, ragged: Sequence[Fields], separators: str) -> bool:
    """Whether a file has one column, and only texts in quotation marks contain other separators."""
    if single is None or single.separator != separators[0] or separators[0] == "\t":
        return False
    return single.quoted and all(len(fields.rows[0]) == 1 for fields in ragged)


def _may_separate(text: str, separator: str) -> bool:
    """Whether the first rows all contain a separator."""
    begin = "".join(text[:50_000].splitlines(keepends=True)[:200])
    return all(len(row) > 1 for row in parsed_rows(begin, separator)[:-1])


def _levelled(path: Path, fields: Fields) -> Fields | None:
    """Return rows of one length if those that differ can be told; None otherwise."""
    rows = fields.rows
    width = min(map(len, rows))
    if width < 1:
        return None
    surplus = [row[width:] for row in rows if len(row) > width]
    # Spreadsheets write commas behind the last column of some rows.
    if width > 1 and not any(field.strip() for fields_beyond in surplus for field in fields_beyond):
        return replace(fields, rows=[row[:width] for row in rows])
    if len(rows) > 2 and {len(row) for row in rows[1:]} == {width + 1} and len(rows[0]) == width:
        first = [row[0].strip() for row in rows[1:]]
        if len(set(first)) == len(first) and not any(" " in value for value in first):
            # R names all columns but that of the row names.
            return replace(fields, rows=[["", *rows[0]], *rows[1:]], header=True)
        return None
    return _without_surplus(path, fields, width)


def _without_surplus(path: Path, fields: Fields, width: int) -> Fields | None:
    """Leave out further columns that some rows have, as in the STS benchmark.

    A separator inside a text would move the labels and numbers behind it, and leave a part of the text
    beyond the last common column.
    """
    longer = [row for row in fields.rows if len(row) > width]
    level = [row for row in fields.rows[1:] if len(row) == width]
    if fields.separator != "\t" or fields.quoted or width < 3 or 10 * len(level) < len(fields.rows):
        return None
    beyond = [field for row in longer for field in row[width:] if field.strip()]
    if sum(len(field.split()) <= 2 for field in beyond) < 0.9 * len(beyond):
        return None
    text = next((i for i in range(width) if _is_prose([row[i] for row in level])), width)
    for i in range(text + 1, width):
        usual, other = {row[i] for row in level}, {row[i] for row in longer}
        if _is_numeric(usual) and not _is_numeric(other):
            return None
        if 3 * len(usual) <= len(level) and not other <= usual:
            return None
    note = (
        f"{path}: {counted(len(longer), 'row')} of {len(fields.rows):,} have more than {width} fields; "
        f"what is beyond, such as {beyond[0][:40]!r}, is not read"
    )
    return replace(fields, rows=[row[:width] for row in fields.rows], notes=(*fields.notes, note))


def _is_prose(values: Sequence[str]) -> bool:
    return sum(len(value.split()) > 2 for value in values) > 0.5 * len(values)


def _is_numeric(values: Collection[str]) -> bool:
    return all(number(value.replace(",", ".")) is not None for value in values)


def _likeliest(path: Path, read: Sequence[Fields]) -> Fields:
    """Return the reading with the most columns of labels or numbers; the first of equal ones."""
    if len(read) == 1:
        return read[0]
    whole = [fields for fields in read if not _cuts_sentences(fields)] or list(read)
    best = max(whole, key=_regular_columns)
    equal = [fields for fields in whole if _regular_columns(fields) == _regular_columns(best)]
    if len(equal) == 1:
        return best
    taken, *others = (_NAMES[fields.separator] for fields in (best, *equal[1:]))
    note = (
        f"{path}: fields are read as separated by {taken}; {' or '.join(others)} would give rows of one "
        "length too"
    )
    return replace(best, notes=(*best.notes, note))


def _regular_columns(fields: Fields) -> int:
    """Count the columns below the first row that hold only numbers, or few values that repeat."""
    below = fields.rows[1:1001]
    count = 0
    for column in zip(*below, strict=True):
        distinct = set(column)
        count += _is_numeric(distinct) or 3 * len(distinct) <= len(column)
    return count


def _cuts_numbers(fields: Fields) -> bool:
    """Whether a comma stands between digits in nearly all rows, with another separator before them."""
    if fields.separator != ",":
        return False
    rows = fields.rows[:1000]
    for i in range(len(rows[0]) - 1):
        cut = [_DIGITS_BEFORE.fullmatch(row[i]) and _DIGITS.fullmatch(row[i + 1]) for row in rows]
        marked = sum(
            bool(both) and any(mark in row[i] + row[i + 1] for mark in ";\t|")
            for both, row in zip(cut, rows, strict=True)
        )
        if marked >= 0.9 * len(rows):
            return True
    return False


def _cuts_sentences(fields: Fields) -> bool:
    """Whether a space follows the separator in nearly all rows, as in prose."""
    rows = fields.rows[:1000]
    spaced = sum(all(field.startswith(" ") for field in row[1:]) for row in rows)
    return spaced >= 0.9 * len(rows)


def _uneven(path: Path, fields: Fields) -> DataError:
    width = len(fields.rows[0])
    found = next(((i, row) for i, row in enumerate(fields.rows, start=1) if len(row) != width), None)
    if found is None:
        return DataError(
            f"{path}: commas are in numbers as well as between fields; put numbers with a decimal "
            "comma, and texts that contain the separator, into quotation marks"
        )
    line, row = found
    return DataError(
        f"{path}: row {line} has {len(row)} fields, but the first row has {width}; "
        "quote texts that contain the separator, or use JSONL"
    )
