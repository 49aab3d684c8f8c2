"""Labels: whether they are classes or values, and their conversion to numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.splits import Label, Split
from whichpeft.units import join_words

_MOST_NAMED = 8

# More distinct numbers than this are values, not names of classes.
MOST_NUMERIC_CLASSES = 20


def number(value: object) -> float | None:
    """Read a label as a finite number; None if it is not one."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        read = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return read if math.isfinite(read) else None


def is_missing(value: object) -> bool:
    """Whether no label was given: None, an empty text or not-a-number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and not value.strip()


def infer_problem(labels: Sequence[Label]) -> str:
    """Return ``regression`` for floats or more than 20 distinct numbers, else ``classification``.

    A few words among numbers do not make the labels classes: they are reported as errors when they are
    read. Two distinct whole numbers are classes even if they are written as floats, as data frames
    write a column that once had gaps.
    """
    numbers = [number(label) for label in labels]
    known = [value for value in numbers if value is not None]
    if len(known) < 0.9 * len(labels) or not known:
        return "classification"
    distinct = len(set(known))
    fractional = any(value != int(value) for value in known)
    written_as_float = any(
        isinstance(label, float) or (isinstance(label, str) and "." in label) for label in labels
    )
    if fractional or distinct > MOST_NUMERIC_CLASSES or (written_as_float and distinct > 2):
        return "regression"
    return "classification"


def class_name(label: Label) -> str:
    """Write a label as the name of its class: ``1`` for 1 and 1.0, ``true`` for True."""
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label == int(label):
        return str(int(label))
    return str(label).strip()


def class_names(train: Split, order: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the classes in train, in the given order or else sorted (numbers by value).

    Raises DataError if there is only one class, or if there are too many distinct labels for classes.
    """
    found = {class_name(label) for label in train.labels}
    if len(found) == 1:
        raise DataError(
            f"{train.location}: every label is {found.pop()!r}, but at least two classes are needed; "
            "check --label-column"
        )
    if len(found) > max(MOST_NUMERIC_CLASSES, len(train) / 2):
        raise DataError(
            f"{train.location}: {len(found)} distinct labels in {len(train)} examples are too many for "
            "classes; name the label column with --label-column, or give --problem regression"
        )
    if order:
        return tuple(name for name in order if name in found)

    def rank(name: str) -> tuple[bool, float, str]:
        value = number(name)
        return value is None, value or 0.0, name

    return tuple(sorted(found, key=rank))


def class_numbers(split: Split, classes: Sequence[str]) -> Array:
    """Turn labels into class numbers, shape (n,), int64.

    Raises DataError if train does not contain a label's class.
    """
    numbers = {name: i for i, name in enumerate(classes)}
    names = [class_name(label) for label in split.labels]
    unseen = sorted(set(names) - set(numbers))
    if unseen:
        new, known = (join_words(map(repr, given), most=_MOST_NAMED) for given in (unseen, classes))
        raise DataError(
            f"{split.location}: label {new} never occurs in the training data, which has {known}; "
            "correct the label or add training examples"
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def label_values(split: Split) -> Array:
    """Turn labels into numbers, shape (n,), float64.

    Raises DataError if a label is not a finite number.
    """
    values = [number(label) for label in split.labels]
    for label, value in zip(split.labels, values, strict=True):
        if value is None:
            raise DataError(
                f"{split.location}: label {str(label)!r} is not a number, as regression requires; "
                "correct it, or give --problem classification"
            )
    return np.array(values, dtype=np.float64)
