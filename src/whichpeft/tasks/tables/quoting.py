"""Splits text into fields where quotation marks may enclose them."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.labels import number
from whichpeft.units import counted

Rows = list[list[str]]

# Fields as R, ARFF and MySQL may write them, and as Excel keeps numbers from being read as such.
_OTHER_MARKS = (re.compile(r"'(.*)'", re.DOTALL), re.compile(r'="(.*)"', re.DOTALL))

_QUOTED = re.compile(r'"(?:[^"]|"")*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a text file."""

    rows: Rows
    """The fields row by row; rows without any text are left out."""
    separator: str
    """Separator between the fields."""
    quoted: bool
    """Whether quotation marks enclose fields."""
    header: bool = False
    """Whether the first row cannot be an example."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the rows were split."""

    @property
    def widths(self) -> set[int]:
        """The numbers of fields that rows have."""
        return {len(row) for row in self.rows}


def split_by_tabs(path: Path, text: str) -> Fields:
    """Split by tabs.

    Quotation marks are text, unless all fields of a column have them, or just those that need them.
    """
    # Not splitlines(): texts may contain the rarer line separators of Unicode.
    lines = text.replace("\r\n", "\n" if "\n" in text else "\r").split("\n" if "\n" in text else "\r")
    plain = Fields([line.split("\t") for line in lines if line.strip()], "\t", False)
    if '"' not in text:
        return plain
    try:
        quoted = split_quoted(path, text, "\t")
    except DataError:
        quoted = None
    if quoted is not None and len(quoted.widths) == 1 and _all_quoted(text, quoted.rows):
        return quoted
    widths = [len(row) for row in plain.rows]
    # The first row may lack the name of an index.
    level = len(set(widths[1:])) == 1
    enclosed = _enclosed_columns(plain.rows) if level else set()
    if level and not enclosed and not _only_where_needed(plain.rows):
        if quoted is None or not quoted.quoted or quoted.widths != plain.widths or quoted.notes:
            return plain
        if len(quoted.rows) == len(plain.rows):
            return plain
        count = counted(len(quoted.rows), "row")
        note = f"{path}: quotation marks are read as text; around fields they would leave {count}"
        return replace(plain, notes=(note,))
    if quoted is not None and quoted.quoted:
        same = [len(row) for row in quoted.rows] == widths
        if same if level else len(quoted.widths) == 1 and quoted.widths != {1}:
            return quoted
    if enclosed:
        rows = [
            [_without_marks(field) if i in enclosed or not at else field for i, field in enumerate(row)]
            for at, row in enumerate(plain.rows)
        ]
        return Fields(rows, "\t", False)
    return plain


def _all_quoted(text: str, rows: Rows) -> bool:
    """Whether all fields of a file are in quotation marks."""
    if not text.startswith('"'):
        return False
    written = io.StringIO()
    csv.writer(written, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return _bare(written.getvalue()) == _bare(text)


def _bare(text: str) -> str:
    return re.sub(r"[\r\n]+", "\n", text).strip("\n")


def _enclosed_columns(rows: Rows) -> set[int]:
    """Return the columns with all their texts in quotation marks; numbers and gaps may lack them."""
    below = rows[1:]
    found = set()
    for i, column in enumerate(zip(*below, strict=True)):
        marked = sum(_QUOTED.fullmatch(field) is not None for field in column)
        others = (field for field in column if not _QUOTED.fullmatch(field))
        if 2 * marked >= len(column) and all(
            field.strip() in ("", "NA") or number(field) is not None for field in others
        ):
            found.add(i)
    return found


def _only_where_needed(rows: Rows) -> bool:
    """Whether just the fields that contain a quotation mark (or a comma, for Excel) are enclosed.

    A mark inside an enclosed field is doubled, and a field with a mark is never left as it is.
    """
    marked = [field for row in rows for field in row if '"' in field]
    if not all(map(_QUOTED.fullmatch, marked)):
        return False
    needless = [field for field in marked if '"' not in field[1:-1] and field != '""']
    if not needless:
        return True
    commas = sum("," in field and '"' not in field for row in rows for field in row)
    return all("," in field for field in needless) and not commas


def _without_marks(field: str) -> str:
    return field[1:-1].replace('""', '"') if _QUOTED.fullmatch(field) else field


def without_other_marks(path: Path, rows: Rows) -> tuple[Rows, list[str]]:
    """Take single quotation marks, or ``="..."``, off the columns that have them around each field.

    Single ones must also be around the first row, because a column may hold quotations. Returns the
    rows, and a note if any changed.
    """
    if len(rows) < 3:
        return rows, []
    bare: dict[int, list[str]] = {}
    for i, column in enumerate(zip(*rows, strict=True)):
        for marks, needed in zip(_OTHER_MARKS, (column, column[1:]), strict=True):
            if any(needed) and all(not field or marks.fullmatch(field.strip()) for field in needed):
                bare[i] = [marks.sub(r"\1", field.strip()) for field in column]
    if not bare:
        return rows, []
    example = rows[1][min(bare)].strip()
    has = "has" if len(bare) == 1 else "have"
    note = (
        f"{path}: {counted(len(bare), 'column')} of {len(rows[0])} {has} marks around each field, such "
        f"as {example[:40]}, which are left out"
    )
    changed = [[bare[i][at] if i in bare else f for i, f in enumerate(r)] for at, r in enumerate(rows)]
    return changed, [note]


def split_quoted(path: Path, text: str, separator: str) -> Fields:
    """Split with quotation marks around fields.

    If one is not closed where the separator follows, the marks are text, if that gives rows of the same
    length.
    """
    spaced = '"' in text and _is_spaced(text, separator)
    try:
        rows = parsed_rows(text, separator, strict=True, spaced=spaced)
    except csv.Error as error:
        # An unclosed quote swallows the rest of the file.
        if "unexpected end" in str(error):
            raise DataError(f"{path}: a quotation mark is opened but never closed") from None
    else:
        fields = Fields(rows, separator, True)
        _check_swallowed(path, fields)
        return fields
    return _looselysplit_quoted(path, text, separator)


def _looselysplit_quoted(path: Path, text: str, separator: str) -> Fields:
    """Split a text with quotation marks inside quoted fields that are not doubled."""
    if '\\"' in text:
        try:
            rows = parsed_rows(text.replace('\\"', '""'), separator, strict=True)
        except csv.Error:
            pass
        else:
            return Fields(rows, separator, True)
    plain = Fields(parsed_rows(text, separator, marks=False), separator, False)
    if len(plain.widths) == 1:
        return plain
    try:
        fields = Fields(parsed_rows(text, separator), separator, True)
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    _check_swallowed(path, fields)
    note = f"{path}: quotation marks inside quoted fields are not doubled, so some of them are lost"
    return replace(fields, notes=(note,))


def parsed_rows(
    text: str, separator: str, *, strict: bool = False, marks: bool = True, spaced: bool = False
) -> Rows:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if marks else csv.QUOTE_NONE,
        strict=strict,
        skipinitialspace=spaced,
    )
    return [row for row in reader if any(field.strip() for field in row)]


def _is_spaced(text: str, separator: str) -> bool:
    """Whether a space follows each separator before a quotation mark, as in ``"a", "b"``."""
    mark = re.escape(separator)
    return re.search(rf'{mark} +"', text) is not None and re.search(rf'{mark}"', text) is None


def _check_swallowed(path: Path, fields: Fields) -> None:
    """Raise DataError if a quoted field contains lines that are rows of their own.

    A quotation mark that stands for itself at the start of a field swallows all rows up to the next one.
    Their labels in the last or first column tell them from the lines of a text.
    """
    if len(fields.widths) != 1 or fields.widths == {1}:
        return
    (width,) = fields.widths
    first, last = (Counter(row[i].strip() for row in fields.rows) for i in (0, -1))
    for at, row in enumerate(fields.rows, start=1):
        for i, field in enumerate(row):
            if "\n" not in field:
                continue
            lines = [line.split(fields.separator) for line in field.strip("\n").split("\n")]
            expected = [width - i, *[width] * (len(lines) - 2), i + 1]
            if [len(line) for line in lines] != expected:
                continue
            labels = (
                [first[line[0].strip()] for line in lines[1:]]
                if i == width - 1
                else [last[line[-1].strip()] for line in lines[:-1]]
            )
            if min(labels) > 1:
                raise DataError(
                    f"{path}: row {at} has a quoted field that contains {counted(len(lines), 'row')}; "
                    "put texts with quotation marks into quotation marks, and double those inside"
                )
