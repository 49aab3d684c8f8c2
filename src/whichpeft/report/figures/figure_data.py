"""The columns that the data of several figures share."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from whichpeft.analysis import Row
from whichpeft.report.figures.figure import FigureRow
from whichpeft.report.text import plain
from whichpeft.units import points


def score_columns(row: Row) -> FigureRow:
    """Return a row's method and score, in points, under the names of a data file."""
    return named_columns(row) | interval_columns(row, "score")


def named_columns(row: Row) -> FigureRow:
    return {"method": plain(row["method"]), "variant": row["variant"]}


def interval_columns(row: Row, key: str) -> FigureRow:
    """Return a mean with its interval, in points."""
    return {
        f"{key}{end}_points": None if row[f"{key}_{part}"] is None else points(row[f"{key}_{part}"])
        for end, part in (("", "mean"), ("_low", "low"), ("_high", "high"))
    }


def as_csv(rows: Sequence[FigureRow]) -> str:
    """Write the data of a figure as CSV, unknown values empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
