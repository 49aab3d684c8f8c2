"""The page's table of a race: one row per method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whichpeft.analysis.method_result import Row
from whichpeft.report.figures.style import looks
from whichpeft.report.page.looks import symbol
from whichpeft.report.page.table import Cell
from whichpeft.report.race.course import Course
from whichpeft.report.race.ladder import finalists_first
from whichpeft.report.race.rows import RACE_COLUMNS, race_rows
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.study.families import family_of
from whichpeft.units import points, show_percent, show_seconds, show_seeds


def race_table(course: Course, chosen: str | None = None) -> dict[str, object]:
    """Return the template variables of the table, those that came furthest first."""
    rows = sorted(race_rows(course), key=_place)
    look = looks(finalists_first(course))
    columns = [
        {
            "title": title,
            "meaning": RACE_COLUMNS[key].replace("a fraction", "in points"),
            "words": words,
            "main": key not in _DETAILS,
        }
        for key, (title, words) in _TITLES.items()
    ]
    shown = [
        {
            "cells": [_cell(row, key) for key in _TITLES],
            "name": plain(row["method"]),
            "status": _state(row),
            "family": plain(family_of(row["method"])),
            "variant": "",
            "chosen": row["method"] == chosen,
            "symbol": symbol(look[row["method"]]),
        }
        for row in rows
    ]
    return {
        "columns": columns,
        "rows": shown,
        "statuses": list(dict.fromkeys(str(row["status"]) for row in shown)),
        "families": sorted({str(row["family"]) for row in shown}),
        "variants": [],
    }


_TITLES: Mapping[str, tuple[str, bool]] = {
    "method": ("method", True),
    "left": ("outcome", True),
    "dropped_because": ("why", True),
    "rung": ("trained", False),
    "validation_score": ("validation", False),
    "units": ("trainings", False),
    "seconds": ("time of trials", False),
    "arms": ("arms", False),
    "seeds": ("seeds tested", True),
}
"""The columns by the key of a row: the heading, and whether it holds words."""


_DETAILS = ("seconds", "arms", "seeds")
"""The columns that are hidden until the reader selects them."""


def _cell(row: Row, key: str) -> Cell:
    value: Any = row[key]
    if key == "left":
        return Cell(text=_state(row), value=value)
    if key == "seeds":
        return Cell(text=show_seeds(value) if value else UNKNOWN, value=None)
    if value is None or (key == "rung" and not value):
        return Cell(text=UNKNOWN, value=None)
    shown = {
        "rung": lambda share: show_percent(100 * share),
        "validation_score": lambda score: f"{points(score):.1f}",
        "units": lambda units: f"{units:.2g}" if units < 10 else f"{units:.0f}",
        "seconds": show_seconds,
    }.get(key, plain)
    return Cell(text=str(shown(value)), value=value)


def _state(row: Row) -> str:
    """Say how a method left, or what it is."""
    if row["left"] is None:
        return "finalist" if row["finalist"] else "in the race"
    if row["left"] == "dropped" and row["rung"] == 1:
        return "dropped, audited" if row["audited"] else "dropped, widened"
    return str(row["left"])


def _place(row: Row) -> tuple[float, float, float]:
    """Return the order of a row: finalists with most seeds first, then by how far and how good."""
    return (-len(row["seeds"]), -row["rung"], -(row["validation_score"] or 0.0))
