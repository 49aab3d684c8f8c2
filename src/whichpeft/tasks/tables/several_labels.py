"""Finds labels that are several labels per example: lists written as text, or joined names."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable

from whichpeft.errors import DataError
from whichpeft.tasks.labels import is_missing
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import check_labels, named_column, shown
from whichpeft.units import join_words

SEPARATORS = "|;,"
_DECIMAL = re.compile(r"-?\d+,\d+")
# Lists without quotation marks, or as numpy writes them: [a, b] and [1 0 0].
_FLAGS = re.compile(r"[01](\s[01])+")
_LIST = re.compile(r"\[\s*\]|\[[^\[\]]*,[^\[\]]*\]|\[\s*[\d.]+(\s+[\d.]+)*\s*\]")


def check_label_column(table: Table, index: int, problem: str | None) -> None:
    """Raise DataError if a column's values are no labels, or are several labels per example.

    Names with a separator in them, such as ``pos|long``, are single classes if `problem` is given as
    classification.
    """
    check_labels(table, index)
    values = [value for value in table.labels(index) if isinstance(value, str) and not is_missing(value)]
    found = dict.fromkeys(value.strip() for value in values)
    listed = next((value for value in found if is_list(value)), None)
    if listed is not None:
        raise DataError(
            f"{named_column(table, index)} holds lists written as text ({shown(listed)}); give "
            "--problem multilabel to predict several labels per example, or write the one label to "
            "predict into a column of its own, and name it with --label-column"
        )
    if problem is not None:
        return
    joined = _joined(found)
    if joined:
        raise DataError(
            f"{named_column(table, index)} seems to hold several labels per example "
            f"({join_words(map(repr, joined), most=3)}); give --problem multilabel to predict "
            "them, or --problem classification if each of these is one class"
        )


def is_list(text: str) -> bool:
    """Whether a text is a list, an object or flags as Python, JSON or numpy write them."""
    if _FLAGS.fullmatch(text):
        return True
    if not text.startswith(("[", "{", "(")) or not text.endswith(("]", "}", ")")):
        return False
    if _LIST.fullmatch(text):
        return True
    for parse in (ast.literal_eval, json.loads):
        try:
            return isinstance(parse(text), list | tuple | dict | set)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return False


def _joined(labels: Iterable[str]) -> list[str]:
    """Return the labels that are others joined by a separator.

    Each of their parts has to occur in another label too: ``Food, Drinks`` next to ``Sports`` is the
    name of one class.
    """
    labels = list(labels)
    for separator in SEPARATORS:
        parts = {label: [part.strip() for part in label.split(separator)] for label in labels}
        several = [label for label, found in parts.items() if len(found) > 1]
        if len(several) < 2 or (separator == "," and all(map(_DECIMAL.fullmatch, labels))):
            continue
        uses = Counter(part for found in parts.values() for part in set(found))
        if all(uses[part] > 1 for label in several for part in parts[label] if part):
            return several
    return []
