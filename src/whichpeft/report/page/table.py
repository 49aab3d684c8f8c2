"""The page's table: every measurement of a comparison, as text and as what it is sorted by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whichpeft.analysis import Comparison, Row
from whichpeft.analysis.comparable_groups import MethodRecords
from whichpeft.report.figures.style import colours
from whichpeft.report.tables.columns import METHOD, PSCP, STATUS, Column, full
from whichpeft.report.tables.columns import brief as brief_columns
from whichpeft.report.tables.costs import Reading, readings
from whichpeft.report.tables.language import Beside, beside_scores
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.study.families import family_of

# What a reader sees before choosing columns.
_MAIN = {
    "method", "score, points", "gap, points", "verdict", "proves", "status", "share of model",
    "train time", "peak memory", "adapter",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A measurement as shown, and as what it is sorted by: a number, text, or None where unknown."""

    text: str
    value: float | str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A column's title with its unit and what it means; main: shown before the reader chooses.

    cell: the column's cell, given a row and its records.
    """

    title: str
    meaning: str
    words: bool
    main: bool
    cell: Callable[[Row, MethodRecords], Cell]


def measurements(comparison: Comparison) -> dict[str, Any]:
    """Return what the template needs of the table; columns of which nothing is known are left out."""
    headings = [
        *(_heading(column, comparison) for column in full(comparison)),
        *(_beside(beside, comparison) for beside in beside_scores(comparison)),
        *map(_cost, readings(comparison)),
    ]
    pairs = list(zip(comparison.rows, comparison.records, strict=True))
    colour = colours([row["method"] for row in comparison.rows])
    lines = [[heading.cell(row, kept) for heading in headings] for row, kept in pairs]
    shown = [
        i
        for i, heading in enumerate(headings)
        if heading.main or any(line[i].text != UNKNOWN for line in lines)
    ]
    return {
        "columns": [headings[i] for i in shown],
        "rows": [
            {
                "cells": [line[i] for i in shown],
                "name": plain(row["method"]),
                "status": row["status"],
                "family": plain(family_of(row["method"])),
                "variant": row["variant"],
                "colour": colour[row["method"]],
            }
            for (row, _), line in zip(pairs, lines, strict=True)
        ],
        "statuses": _met(row["status"] for row in comparison.rows),
        "families": sorted(_met(plain(family_of(row["method"])) for row in comparison.rows)),
        "variants": _met(row["variant"] for row in comparison.rows),
    }


def brief(comparison: Comparison) -> dict[str, Any]:
    """Return what the template of the short table needs, for notebooks."""
    columns = brief_columns(comparison)
    colour = colours([row["method"] for row in comparison.rows])
    return {
        "columns": columns,
        "rows": [
            {
                "cells": [column.show(row) for column in columns],
                "status": row["status"],
                "colour": colour[row["method"]],
            }
            for row in comparison.rows
        ],
    }


def _heading(column: Column, comparison: Comparison) -> Heading:
    def cell(row: Row, kept: MethodRecords) -> Cell:
        text = column.show(row)
        quartiles = comparison.step_quartiles.get(row["method"])
        if column.key == "step_milliseconds" and quartiles and text != UNKNOWN:
            text = f"{text} [{quartiles[0]:.3g}, {quartiles[1]:.3g}]"
        return Cell(text=text, value=column.value(row))

    main = column.title in _MAIN or column in (METHOD, STATUS, PSCP)
    return Heading(title=column.title, meaning=column.meaning, words=column.words, main=main, cell=cell)


def _beside(beside: Beside, comparison: Comparison) -> Heading:
    places = {id(kept): place for place, kept in enumerate(comparison.records)}

    def cell(row: Row, kept: MethodRecords) -> Cell:
        place = places[id(kept)]
        return Cell(text=beside.text(place), value=beside.values[place])

    return Heading(title=beside.title, meaning=beside.meaning, words=False, main=False, cell=cell)


def _cost(reading: Reading) -> Heading:
    def cell(row: Row, kept: MethodRecords) -> Cell:
        return Cell(text=reading.text(kept.cost), value=reading.value(kept.cost))

    return Heading(title=reading.title, meaning=reading.meaning, words=False, main=False, cell=cell)


def _met(values: Any) -> list[str]:
    return list(dict.fromkeys(values))
