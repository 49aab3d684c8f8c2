"""Columns that the data of several figures share."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from whichpeft.analysis import Interval, MethodResult
from whichpeft.report.figures.vega import FigureRow
from whichpeft.report.text import plain
from whichpeft.units import points


def score_columns(result: MethodResult) -> FigureRow:
    """Return the method and score, in points, under the names of a data file."""
    return named_columns(result) | interval_columns("score", result.score)


def named_columns(result: MethodResult) -> FigureRow:
    return {"method": plain(result.method), "variant": result.variant}


def interval_columns(key: str, interval: Interval) -> FigureRow:
    """Return a mean with its interval, in points."""
    mean, low, high = in_points(interval)
    return {f"{key}_points": mean, f"{key}_low_points": low, f"{key}_high_points": high}


def in_points(interval: Interval) -> Interval:
    """Return an interval in points; what is unknown stays unknown."""
    mean, low, high = (None if value is None else points(value) for value in interval)
    return Interval(mean, low, high)


def as_csv(rows: Sequence[FigureRow]) -> str:
    """Write the data of a figure as CSV, unknown values empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
