"""Finds the columns of a table that hold the text (or image) and the label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from whichpeft.errors import DataError
from whichpeft.tasks.images.raw import is_image_value
from whichpeft.tasks.labels import MOST_NUMERIC_CLASSES, is_missing, number
from whichpeft.tasks.tables.table import Table

# Customary names of columns in data sets. The first label name that is present wins.
LABEL_NAMES = (
    "label",
    "labels",
    "gold_label",
    "target",
    "class",
    "category",
    "entailment_judgment",
    "relatedness_score",
    "similarity_score",
    "similarity",
    "score",
    "rating",
    "stars",
    "sentiment",
    "is_duplicate",
    "answer",
    "y",
)
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("question", "passage"),
)
TEXT_NAMES = ("text", "sentence", "review", "review_text", "content", "document", "comment", "tweet")
_INDEX_NAMES = frozenset({"id", "idx", "index", "guid", "pair_id", "pairid", "uid", "qid"})
# What pandas calls an index without a name, in CSV and in Parquet.
_UNNAMED = re.compile(r"(unnamed: ?\d+.*|__index_level_\d+__)?", re.IGNORECASE)

_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Columns:
    """Indices of the columns that a task uses."""

    input: tuple[int, ...]
    """Columns of the input: one, or two for a pair of texts."""
    label: int
    """Column of the label."""


def find_columns(
    table: Table, text_columns: Sequence[str] = (), label_column: str | None = None
) -> Columns:
    """Find the input and label columns of a table; given columns take precedence.

    A column of images is the input, unless text columns are given. Raises DataError if a given column is
    missing, or if no column or too many columns are possible.
    """
    given = tuple(table.index(column) for column in text_columns) or _find_images(table)
    label = table.index(label_column) if label_column is not None else None
    if label is not None and label in given:
        raise DataError(
            f"{table.location}: column {table.title(label)!r} cannot be both text and label; "
            "give another --text-column or --label-column"
        )
    if label is None:
        label = _find_label(table, given or _prose(table))
    return Columns(input=given or _find_text(table, label), label=label)


def input_is_image(table: Table, columns: Columns) -> bool:
    """Whether the input is an image."""
    return len(columns.input) == 1 and columns.input[0] in _image_columns(table)


def _find_images(table: Table) -> tuple[int, ...]:
    found = _image_columns(table)
    if len(found) > 1:
        raise DataError(
            f"{table.location}: columns {_listed(table, found)} contain images; "
            "choose one with --text-column"
        )
    return found


def _image_columns(table: Table) -> tuple[int, ...]:
    firsts = [next((value for value in column if value is not None), None) for column in table.columns]
    return tuple(index for index, value in enumerate(firsts) if is_image_value(value))


def _find_label(table: Table, text: Sequence[int]) -> int:
    named = _named(table, LABEL_NAMES)
    if named is not None and named not in text:
        return named
    few, numeric = [], []
    for index in range(len(table.columns)):
        values = table.labels(index)
        if index in text or _is_index(table, index) or any(is_missing(value) for value in values):
            continue
        distinct = len({str(value) for value in values})
        if distinct <= MOST_NUMERIC_CLASSES and (distinct < len(values) or len(values) <= 4):
            few.append(index)
        elif all(number(value) is not None for value in values):
            numeric.append(index)
    for found in (few, numeric):
        if found:
            return found[-1]
    raise DataError(
        f"{table.location}: no column looks like a label; name it with --label-column "
        f"(the columns are {_titles(table)})"
    )


def _find_text(table: Table, label: int) -> tuple[int, ...]:
    for pair in PAIR_NAMES:
        both = tuple(_named(table, (name,)) for name in pair)
        if None not in both and label not in both:
            return tuple(index for index in both if index is not None)
    single = _named(table, TEXT_NAMES)
    if single is not None and single != label:
        return (single,)
    found = tuple(index for index in _prose(table) if index != label)
    if not found:
        # Texts of one word each: words that are not numbers and seldom repeat.
        found = tuple(
            index
            for index in range(len(table.columns))
            if index != label and _is_text(table, index, prose=False)
        )
    if 1 <= len(found) <= 2:
        return found
    problem = (
        "no column looks like text" if not found else f"columns {_listed(table, found)} contain text"
    )
    raise DataError(
        f"{table.location}: {problem}; name one with --text-column, or two for a pair "
        f"(the columns are {_titles(table)})"
    )


def _prose(table: Table) -> tuple[int, ...]:
    return tuple(i for i in range(len(table.columns)) if _is_text(table, i, prose=True))


def _is_text(table: Table, index: int, *, prose: bool) -> bool:
    """Whether a column holds strings, mostly of several words, that seldom repeat.

    They may repeat a few times: a premise often occurs three times.
    """
    values = [value for value in table.columns[index][:_LOOKED_AT] if not is_missing(value)]
    if not values or not all(isinstance(value, str) for value in values):
        return False
    if _is_index(table, index) or len(values) < 0.5 * min(len(table), _LOOKED_AT):
        return False
    several = sum(" " in value.strip() for value in values)
    wordy = (
        several >= 0.5 * len(values) if prose else not all(number(value) is not None for value in values)
    )
    return wordy and len(set(values)) >= max(2, 0.2 * len(values))


def is_index_name(name: str) -> bool:
    """Whether the name of a column shows that it numbers the rows."""
    name = name.strip()
    return name.casefold() in _INDEX_NAMES or _UNNAMED.fullmatch(name) is not None


def _is_index(table: Table, index: int) -> bool:
    """Whether a column numbers the rows: whole numbers that always increase."""
    if table.names is not None and is_index_name(table.names[index]):
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


def _named(table: Table, names: Sequence[str]) -> int | None:
    if table.names is None:
        return None
    folded = [name.strip().casefold().replace(" ", "_") for name in table.names]
    return next((folded.index(name) for name in names if name in folded), None)


def _titles(table: Table) -> str:
    return _listed(table, range(len(table.columns))) or "none"


def _listed(table: Table, indices: Iterable[int]) -> str:
    return ", ".join(table.title(index) for index in indices)
