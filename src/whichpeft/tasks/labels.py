"""Labels: whether they are classes or values, and their conversion to numbers."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from decimal import Decimal

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.spellings import nearest_spelling
from whichpeft.tasks.splits import Label, Split
from whichpeft.units import join_words, plural

_MOST_NAMED = 8

# More distinct numbers than this are values, not names of classes.
MOST_NUMERIC_CLASSES = 20

# Numbers that are not read as such: with a decimal comma, or with a unit.
LIKE_NUMBERS = re.compile(
    r"[+-]?[0-9]+,[0-9]+|[+-]?[0-9]+(?:[.,][0-9]+)?\s?[%\u20ac$]|[$\u20ac]\s?[0-9.,]+"
)

# A whole number as programs write it: 1.0, 1.00, 3., 1e0 and 1.000000e+00, but not codes such as 007.
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.0*)?")
_EXPONENT = re.compile(r"[+-]?[0-9](?:\.[0-9]*)?[eE][+-]?[0-9]{1,2}")
_CODE = re.compile(r"0[0-9]+")
# Beyond this a float does not tell all whole numbers apart.
_LARGEST_WHOLE = 2.0**53


def as_python(value: object) -> object:
    """Return a number of NumPy, PyTorch or `decimal` as Python's own; anything else as it is."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == int(value) else float(value)
    if isinstance(value, (str, bytes, int, float)) and not isinstance(value, np.generic):
        return value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def number(value: object) -> float | None:
    """Read a label as a finite number; None if it is not one."""
    value = as_python(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and "_" in value:
        return None  # Python reads 1_2 as 12
    try:
        read = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def is_missing(value: object) -> bool:
    """Whether no label was given: None, an empty text or not-a-number."""
    value = as_python(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    if type(value).__name__ in ("NAType", "NaTType"):  # what pandas has for a missing value
        return True
    return isinstance(value, str) and not value.strip()


def is_code(label: object) -> bool:
    """Whether a label is digits with a leading zero, such as 007."""
    return isinstance(label, str) and _CODE.fullmatch(label.strip()) is not None


def infer_problem(labels: Sequence[Label]) -> str:
    """Return ``regression`` for fractions or more than 20 distinct numbers, else ``classification``.

    It does not matter how a number is written: 1, 1.0 and "1.00" are the same. Only a leading zero, as
    in 007, makes it a code and not a number. A few words among numbers do not make the labels classes:
    they are reported as errors when they are read.
    """
    numbers = [number(label) for label in labels]
    known = [value for value in numbers if value is not None]
    if len(known) < 0.9 * len(labels) or not known:
        return "classification"
    distinct = set(known)
    if any(map(is_code, labels)):
        return "classification"
    if len(distinct) > MOST_NUMERIC_CLASSES or any(not value.is_integer() for value in distinct):
        return "regression"
    return "classification"


def class_name(label: object) -> str:
    """Write a label as the name of its class: ``1`` for 1, 1.0 and "1.00", ``true`` for True.

    Texts lose spaces at their ends. Accents are composed, because both forms look the same.
    """
    label = as_python(label)
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    name = unicodedata.normalize("NFC", str(label).strip())
    if _WHOLE.fullmatch(name) or _EXPONENT.fullmatch(name):
        value = float(name)
        if value == int(value) and abs(value) < _LARGEST_WHOLE and not _is_plain(name):
            return str(int(value))
    return name


def _is_plain(name: str) -> bool:
    """Whether a whole number is written with digits alone, so that its name can stay as it is."""
    return name.removeprefix("+").removeprefix("-").isdigit() and name != "-0"


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
            f"classes; name the label column with --label-column, or {_as_numbers(found)}"
        )
    if order:
        # A source may list two spellings of a name, such as 1 and 1.0.
        return tuple(name for name in dict.fromkeys(map(class_name, order)) if name in found)

    def rank(name: str) -> tuple[bool, float, str]:
        value = number(name)
        return value is None, value or 0.0, name

    return tuple(sorted(found, key=rank))


def _as_numbers(names: Collection[str]) -> str:
    """Say how labels can be predicted as numbers."""
    unit = next((name for name in sorted(names) if LIKE_NUMBERS.fullmatch(name)), None)
    if unit is None:
        return "give --problem regression if they are numbers"
    return f"write numbers such as {unit!r} plainly ({_plainly(unit)}) to predict them"


def _plainly(name: str) -> str:
    return name.strip("%\u20ac$ \xa0").replace(",", ".")


def class_numbers(split: Split, classes: Sequence[str]) -> Array:
    """Turn labels into class numbers, shape (n,), int64.

    Raises DataError if train does not contain a label's class.
    """
    numbers = {name: i for i, name in enumerate(classes)}
    names = [class_name(label) for label in split.labels]
    unseen = sorted(set(names) - set(numbers))
    if unseen:
        new, known = (join_words(map(repr, given), most=_MOST_NAMED) for given in (unseen, classes))
        twins = {name: twin for name in unseen if (twin := nearest_spelling(name, classes)) is not None}
        hint = "".join(f"; {name!r} may be {twin!r} in another spelling" for name, twin in twins.items())
        never = f"{plural('label', len(unseen))} {new} never {'occur' if unseen[1:] else 'occurs'}"
        raise DataError(
            f"{split.location}: {never} in the training data, which has {known}{hint}; "
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
            name = class_name(label)
            like = LIKE_NUMBERS.fullmatch(name) is not None
            raise DataError(
                f"{split.location}: label {str(label)!r} is not a number, as regression requires; "
                f"{f'write it plainly ({_plainly(name)})' if like else 'correct it'}, or give --problem "
                "classification"
            )
    return np.array(values, dtype=np.float64)
