"""Tells a header from an example, and gives columns distinct names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from whichpeft.errors import DataError
from whichpeft.tasks.labels import number
from whichpeft.tasks.residues.alphabet import are_residues
from whichpeft.tasks.tables.column_contents import is_index_name
from whichpeft.tasks.tables.columns import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES, folded_name
from whichpeft.units import join_words

_USED = frozenset({*LABEL_NAMES, *TEXT_NAMES, *(name for pair in PAIR_NAMES for name in pair)})
# Names that alone show a header, and names that do so next to another one.
_CUSTOMARY = _USED | {"id", "idx", "index"}
_WITH_ANOTHER = frozenset({
    "instruction", "input", "output", "prompt", "completion", "response", "source", "target", "context",
    "system", "title", "name", "date", "author", "language", "split",
})  # fmt: skip
# Words for a value that is not known; a column of numbers may begin with one.
_UNKNOWN = frozenset({"na", "n/a", "nan", "null", "none", "unknown", "missing", "nil"})

# A name in any script, with brackets and marks.
_TITLE = re.compile(r"[^\W\d][\w .:/#()\[\]?%&+*’'°-]*")  # noqa: RUF001
_LONGEST_TITLE = 41
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Header:
    """Whether the first row of a text file names the columns."""

    found: bool
    """Whether it does; else it is an example."""
    doubtful: bool = False
    """Whether something speaks against it."""


def find_header(rows: Sequence[Sequence[str]], wanted: Collection[str]) -> Header:
    """Tell whether the first row names the columns instead of being an example.

    It does if it contains a wanted or customary name that is no value of its column; or if it differs
    from the rows below as a header does: words over numbers, a short name over sentences, a name that
    is no label over labels that repeat.
    """
    first = [field.strip() for field in rows[0]]
    folded = {field.casefold() for field in first}
    if any(column.casefold() in folded for column in wanted if not column.isdecimal()):
        return Header(True)
    below = [[field.strip() for field in row] for row in rows[1:]]
    # Rows that repeat a header, in files that were joined, say nothing about its names.
    other = [row for row in below if row != first]
    columns = [_Below(field, [row[i] for row in other]) for i, field in enumerate(first)]
    named = [column for column in columns if _is_customary(column.name) and not column.repeats]
    weak = [
        column for column in columns if folded_name(column.name) in _WITH_ANOTHER and not column.repeats
    ]
    against = [
        column
        for column in columns
        if not _is_customary(column.name) and (column.repeats or column.numeric_like_all)
    ]
    if any(column.over_residues for column in columns):
        return Header(True)
    if _is_range(first, columns) or (named and not against) or len(named) + len(weak) > 1:
        return Header(True)
    if against or named:
        return Header(False, doubtful=bool(named))
    columns = [_Below(field, [row[i] for row in below]) for i, field in enumerate(first)]
    return _unlike_rows(first, columns)


class _Below:
    """What a column holds below a field of the first row."""

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        self.repeats = bool(name) and name in values
        self.values = [value for value in values[:_LOOKED_AT] if value]
        self.many = len(self.values) >= 10
        looked_at = len(values[:_LOOKED_AT])
        self.gaps = len(self.values) < looked_at
        self.empty = not self.values or (looked_at >= 10 and len(self.values) <= 0.1 * looked_at)
        words = sum(len(value.split()) > 2 for value in self.values)
        self.sentences = bool(self.values) and words > 0.8 * len(self.values)
        self.words = any(mark.isalpha() for mark in name) and name.casefold() not in _UNKNOWN

    @property
    def over_numbers(self) -> bool:
        """Whether a word, or the empty name of an index, is over numbers."""
        if not self.values:
            return False
        if not self.name:
            whole = [number(value) for value in self.values]
            return not self.gaps and len(set(whole)) == len(whole) > 1 and None not in whole
        return self.words and all(map(_is_number, self.values)) and not _is_number(self.name)

    @property
    def numeric_like_all(self) -> bool:
        """Whether the field is a number like all below."""
        return bool(self.values) and all(map(_is_number, (self.name, *self.values)))

    @property
    def over_sentences(self) -> bool:
        """Whether one or two words are over sentences."""
        return self.sentences and len(self.name.split()) <= 2

    @property
    def over_residues(self) -> bool:
        """Whether a name, which is no sequence, is over proteins in capitals."""
        if not self.name or not all(map(str.isupper, self.values)) or not are_residues(self.values):
            return False
        return not self.name.isupper() or 2 * len(self.name) < min(map(len, self.values))

    @property
    def shortest(self) -> bool:
        """Whether a name is shorter than all texts, as in scripts without spaces."""
        distinct = len(set(self.values))
        length = len(self.name) if self.many else 2 * len(self.name) - 1
        longer = all(len(value) > length for value in self.values)
        return not self.like_texts and longer and 2 * distinct > len(self.values) > 1

    @property
    def over_labels(self) -> bool:
        """Whether a word that is no label is over labels that repeat."""
        distinct = len(set(self.values))
        few = 3 * distinct <= len(self.values) if self.many else distinct < len(self.values)
        return self.words and not self.repeats and few

    @property
    def like_texts(self) -> bool:
        """Whether the field could be one of the sentences below."""
        return self.sentences and len(self.name.split()) > 2


def _unlike_rows(first: Sequence[str], columns: Sequence[_Below]) -> Header:
    """Compare the first row with those below, if no name is customary."""
    named = [field for field in first if field]
    if not named or any(column.repeats for column in columns) or len(set(named)) < len(named):
        return Header(False)
    numbers = sum(column.over_numbers for column in columns)
    sentences = any(column.over_sentences for column in columns)
    texts = sentences or any(column.shortest for column in columns)
    labels = any(column.over_labels for column in columns)
    titles = all(_TITLE.fullmatch(field) and len(field) <= _LONGEST_TITLE for field in named)
    numeric = any(number(field) is not None for field in named)
    # Commas at the end of every row make columns without name, and with few values if any.
    gaps = any(not (column.name or column.over_numbers or column.empty) for column in columns)
    if not numeric and not gaps:
        many = all(column.many for column in columns if column.name)
        like_texts = any(column.like_texts for column in columns)
        if titles and (numbers or sentences):
            return Header(True)
        if numbers + labels > 1 or (not like_texts and (numbers or (texts and labels and many))):
            return Header(True)
        if titles and not like_texts and (labels if many else texts and labels):
            return Header(True, doubtful=True)
    few = texts and not any(column.many for column in columns)
    return Header(False, doubtful=labels or (numbers > 0 and not numeric) or few)


def _is_range(first: Sequence[str], columns: Sequence[_Below]) -> bool:
    """Whether a data frame without names numbered its columns, over sentences."""
    named = first[1:] if not first[0] else first
    return (
        len(named) > 1
        and list(named) == [str(i) for i in range(len(named))]
        and any(column.sentences for column in columns)
    )


def _is_number(value: str) -> bool:
    """Whether a value is a number, a date or a time: digits with few other marks."""
    digits = sum(mark.isdigit() for mark in value)
    letters = sum(mark.isalpha() for mark in value)
    # A time may have a T, or end in PM.
    return number(value) is not None or (digits > 3 * letters and 2 * digits >= len(value))


def _is_customary(name: str) -> bool:
    return folded_name(name) in _CUSTOMARY or (bool(name) and is_index_name(name))


def column_names(location: str, names: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
    """Return distinct names of columns: one without a name is called as pandas calls it.

    Raises
    ------
    DataError
        If two columns have the same name, and one of them could be used by that name.
    """
    given = {name.casefold() for name in wanted}
    folded = [name.strip().casefold() for name in names]
    taken = set(names)
    found: list[str] = []
    for i, name in enumerate(names):
        if not name.strip():
            found.append(_new(f"Unnamed: {i}", taken))
        elif name in found:
            if folded[i] in given or (not given and folded_name(name) in _USED):
                places = [str(place) for place, other in enumerate(names) if other == name]
                raise DataError(
                    f"{location}: columns {join_words(places)} (from 0) have the name {name!r}; give "
                    "them distinct names, or choose columns by position"
                )
            found.append(_new(f"{name}.{found.count(name)}", taken))
        else:
            found.append(name)
    return tuple(found)


def _new(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
