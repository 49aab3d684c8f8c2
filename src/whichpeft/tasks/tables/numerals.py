"""Numbers as spreadsheets write them: with decimal commas and separators of thousands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whichpeft.tasks.labels import number

# 1,5 or 1.234,5; and 1,234 or 1,234.5.
_COMMA_DECIMAL = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?")
_COMMA_THOUSANDS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
_LOOSE = re.compile(r"[+-]?[\d.,'\u2019 \xa0\u202f]*\d[\d.,'\u2019 \xa0\u202f%]*")


@dataclass(frozen=True, slots=True)
class SpeltNumbers:
    """How the numbers of a column that has commas are read."""

    read: Mapping[str, str]
    """The numbers with a decimal point and no other mark, by how they are written; empty if they could
    also be lists, or thousands."""
    note: str
    """What a user should know if the column is used."""

    def of(self, value: object) -> object:
        """Return a value of the column as float() reads it."""
        return self.read.get(value.strip(), value) if isinstance(value, str) else value


def numbers_with_points(values: Sequence[str], separator: str | None) -> SpeltNumbers | None:
    """Read a column of numbers that have commas; None if a column has none.

    A few words among the numbers do not matter. Spreadsheets separate fields by semicolons when commas
    are decimal; with another separator, numbers that ascend are a list: ``3,10``.
    """
    written = [value.strip() for value in values if value.strip()]
    numeric = [value for value in written if _LOOSE.fullmatch(value)]
    if len(numeric) < 0.9 * len(written) or not any("," in value for value in numeric):
        return None
    distinct = list(dict.fromkeys(numeric))
    if all(map(_COMMA_DECIMAL.fullmatch, distinct)) and _is_decimal(numeric, separator):
        read = {value: value.replace(".", "").replace(",", ".") for value in distinct}
        what = "decimal commas are read as points"
    elif all(map(_COMMA_THOUSANDS.fullmatch, distinct)) and _has_thousands(distinct):
        read = {value: value.replace(",", "") for value in distinct}
        what = "commas are read as separators of thousands"
    else:
        example = next(value for value in numeric if "," in value)
        return SpeltNumbers(
            {}, f"values such as {example!r} are read as text; write numbers with a decimal point"
        )
    # A number that lacks digits on both sides is none.
    if any(number(value) is None for value in read.values()):
        return None
    example = max(distinct, key=lambda value: ("," in value, value.count(".")))
    return SpeltNumbers(read, f"{what}, for example {example!r} as {read[example]}")


def spelt_columns(columns: Sequence[Sequence[str]], separator: str | None) -> Mapping[int, SpeltNumbers]:
    """Read the numbers of each column that has numbers with commas."""
    found = ((i, numbers_with_points(column, separator)) for i, column in enumerate(columns))
    return {i: spelt for i, spelt in found if spelt is not None}


def _is_decimal(values: Sequence[str], separator: str | None) -> bool:
    """Whether the last comma of numbers is decimal, and neither of thousands nor of a list."""
    parts = [value.partition(",") for value in values if "," in value]
    if separator == ";" or any("." in whole for whole, _, _ in parts):
        return True
    if all(len(fraction) == 3 for _, _, fraction in parts) or 2 * len(parts) < len(values):
        return False
    # Lists ascend: 3,10 is one, 4,0 and 0,05 are not.
    wholes = {whole.lstrip("+-") for whole, _, _ in parts}
    return wholes == {"0"} or any(
        fraction.startswith("0") or int(whole.lstrip("+-") or 0) >= int(fraction)
        for whole, _, fraction in parts
    )


def _has_thousands(values: Sequence[str]) -> bool:
    """Whether a comma cannot be decimal: it occurs twice in a number, or with points."""
    return any(value.count(",") > 1 or "." in value for value in values)
