"""What a column seems to hold: prose, single words, few values, numbers, or the numbers of its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from whichpeft.tasks.labels import MOST_NUMERIC_CLASSES, is_missing, number
from whichpeft.tasks.residues.alphabet import are_residues
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import column_kind, text_of

_LOOKED_AT = 2000
# Columns that number or name the rows.
_INDEX_NAMES = frozenset({"id", "idx", "index", "guid", "uuid", "pair_id", "pairid", "uid", "qid"})
# What pandas and Dask call an index without a name, in CSV and in Parquet.
_UNNAMED = re.compile(r"(unnamed: ?\d+.*|__index_level_\d+__|__null_dask_index__)?", re.IGNORECASE)
_ID = re.compile(r".*[a-z]I[dD]|.*[_ .-](id|ID|Id)|row")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    r"(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-./]\d\d?[-./]\d{2,4})([ T,]+\d\d?:.*)?"
    rf"|((mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?({_MONTH}\.? \d\d?|\d\d?\.? {_MONTH}),? "
    r"[ \d:+apmutcgsedz,]*\d{4}( \d\d?:.*)?",
    re.IGNORECASE,
)
# Images, sounds and addresses that a table only names.
_FILE = re.compile(
    r"\s*([^\n]+\.(png|jpe?g|gif|bmp|tiff?|webp|heic|dcm|wav|mp3|flac|ogg|m4a|mp4|avi|npy|pdf)"
    r"|https?://\S+)\s*",
    re.IGNORECASE,
)
# What splits are called in a column.
_SPLITS = re.compile(r"(train|test|dev|val|valid|validation|trial)(ing|set|[_ ]set)?", re.IGNORECASE)
# Columns that repeat a text with marks, or cut into words.
_ANNOTATED = re.compile(r"annot|tagged|token|parsed|slots|marked|bio(?![a-z])", re.IGNORECASE)
_WORDS = re.compile(r"\w+")
_MOST_REPEATED = 0.95
_LABELS = re.compile(r"(label|class|target|category|intent)([_ .-]|(?=I))id", re.IGNORECASE)


def prose_columns(table: Table) -> tuple[int, ...]:
    """Return the columns whose values mostly have several words and seldom repeat."""
    return tuple(i for i in range(len(table.columns)) if is_text(table, i, prose=True))


def protein_columns(table: Table) -> tuple[int, ...]:
    """Return the columns whose values are sequences of residues."""
    return tuple(index for index, values in enumerate(table.columns) if are_residues(values))


def is_text(table: Table, index: int, *, prose: bool) -> bool:
    """Whether a column holds strings, mostly of several words if `prose`, that seldom repeat.

    They may repeat a few times: a premise often occurs three times.
    """
    values = [value for value in table.columns[index][:_LOOKED_AT] if not is_missing(value)]
    if not values or not all(isinstance(value, str) for value in values):
        return False
    if all(map(_is_date, values)) or all(map(_FILE.fullmatch, values)):
        return False
    if is_index(table, index) or len(values) < 0.5 * min(len(table), _LOOKED_AT):
        return False
    several = sum(" " in value.strip() for value in values)
    wordy = (
        several >= 0.5 * len(values) if prose else not all(number(value) is not None for value in values)
    )
    return wordy and len(set(values)) >= max(2, 0.2 * len(values))


def annotates(table: Table, index: int, other: int) -> bool:
    """Whether a column of text repeats another one with annotations: its name says so, and its words."""
    if table.names is None or not _ANNOTATED.search(table.names[index]):
        return False
    pairs = zip(table.columns[index][:_LOOKED_AT], table.columns[other][:_LOOKED_AT], strict=True)
    words = [tuple(Counter(_WORDS.findall(text_of(v).casefold())) for v in pair) for pair in pairs]
    return sum(plain <= marked for marked, plain in words) >= _MOST_REPEATED * len(words)


def is_index(table: Table, index: int) -> bool:
    """Whether a column numbers the rows: by its name, or by whole numbers that always increase."""
    name = "" if table.names is None else table.names[index].strip()
    if table.names is not None and (
        is_index_name(name) or (_ID.fullmatch(name) and not _LABELS.fullmatch(name))
    ):
        return True
    values = table.columns[index]
    if len(values) < 3:
        return False
    previous = -1.0
    for value in values:
        current = number(value)
        if current is None or current != int(current) or current <= previous:
            return False
        previous = current
    return True


def is_index_name(name: str) -> bool:
    """Whether the name of a column shows that it numbers the rows."""
    name = name.strip()
    return name.casefold() in _INDEX_NAMES or _UNNAMED.fullmatch(name) is not None


def may_be_label(values: Sequence[object]) -> str | None:
    """Return ``few`` for a column of few values, ``numeric`` for one of numbers, None for another.

    Missing values are left out; dates are neither.
    """
    known = [value for value in values if not is_missing(value)]
    if not known or column_kind(known) is not None or all(map(_is_date, known)):
        return None
    distinct = len({str(value) for value in known})
    if distinct <= MOST_NUMERIC_CLASSES and (distinct < len(known) or len(known) <= 4):
        return "few"
    return "numeric" if all(number(value) is not None for value in known) else None


def _is_date(value: object) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value.strip()) is not None


def names_splits(values: Sequence[object]) -> bool:
    """Whether a column says which split a row is in: two or more names, with train among them."""
    first = next((value for value in values if not is_missing(value)), None)
    if not isinstance(first, str) or not _SPLITS.fullmatch(first.strip()):
        return False
    names = {str(value).strip().casefold() for value in values if not is_missing(value)}
    roles = all(map(_SPLITS.fullmatch, names))
    return len(names) > 1 and roles and any(name.startswith("train") for name in names)


def split_notes(table: Table, label: int) -> list[str]:
    """Say which column names splits that are not made."""
    return [
        f"{table.location}: column {table.title(index)!r} says which split a row is in, and is not "
        "read; write a file per split to keep them"
        for index, values in enumerate(table.columns)
        if index != label and names_splits(values)
    ]


def says_the_label(values: Sequence[object], labels: Sequence[object]) -> bool:
    """Whether a column only repeats the labels in other words: each label always has the same value."""
    pairs = {
        (text_of(label).strip(), text_of(value).strip())
        for value, label in zip(values, labels, strict=True)
        if not is_missing(label) and not is_missing(value)
    }
    of_labels = {label for label, _ in pairs}
    # Unlike classes, values of a regression seldom occur twice, except in copies of an example.
    return len(pairs) == len(of_labels) <= len(labels) / 3 and len({value for _, value in pairs}) > 1
