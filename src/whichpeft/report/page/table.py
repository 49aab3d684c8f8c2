"""The page's table: every measurement of a comparison, as text and as what it is sorted by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.style import colours
from whichpeft.report.tables.columns import METHOD, PSCP, STATUS, STEP, Column, full
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

    cell: the column's cell, given a result.
    """

    title: str
    meaning: str
    words: bool
    main: bool
    cell: Callable[[MethodResult], Cell]


def measurements(comparison: Comparison) -> dict[str, Any]:
    """Return what the template needs of the table; columns of which nothing is known are left out."""
    headings = [
        *(_heading(column, comparison) for column in full(comparison)),
        *(_beside(beside, comparison) for beside in beside_scores(comparison)),
        *map(_cost, readings(comparison)),
    ]
    colour = colours([result.method for result in comparison.results])
    lines = [[heading.cell(result) for heading in headings] for result in comparison.results]
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
                "name": plain(result.method),
                "status": result.status,
                "family": plain(family_of(result.method)),
                "variant": result.variant,
                "colour": colour[result.method],
            }
            for result, line in zip(comparison.results, lines, strict=True)
        ],
        "statuses": _met(result.status for result in comparison.results),
        "families": sorted(_met(plain(family_of(result.method)) for result in comparison.results)),
        "variants": _met(result.variant for result in comparison.results),
    }


def brief(comparison: Comparison) -> dict[str, Any]:
    """Return what the template of the short table needs, for notebooks."""
    columns = brief_columns(comparison)
    colour = colours([result.method for result in comparison.results])
    return {
        "columns": columns,
        "rows": [
            {
                "cells": [column.show(result) for column in columns],
                "status": result.status,
                "colour": colour[result.method],
            }
            for result in comparison.results
        ],
    }


def _heading(column: Column, comparison: Comparison) -> Heading:
    def cell(result: MethodResult) -> Cell:
        text = column.show(result)
        quartiles = comparison.step_quartiles.get(result.method)
        if column is STEP and quartiles and text != UNKNOWN:
            text = f"{text} [{quartiles[0]:.3g}, {quartiles[1]:.3g}]"
        return Cell(text=text, value=column.value(result))

    main = column.title in _MAIN or column in (METHOD, STATUS, PSCP)
    return Heading(title=column.title, meaning=column.meaning, words=column.words, main=main, cell=cell)


def _beside(beside: Beside, comparison: Comparison) -> Heading:
    places = {result: place for place, result in enumerate(comparison.results)}

    def cell(result: MethodResult) -> Cell:
        place = places[result]
        return Cell(text=beside.text(place), value=beside.values[place])

    return Heading(title=beside.title, meaning=beside.meaning, words=False, main=False, cell=cell)


def _cost(reading: Reading) -> Heading:
    def cell(result: MethodResult) -> Cell:
        cost = result.records.cost
        return Cell(text=reading.text(cost), value=reading.value(cost))

    return Heading(title=reading.title, meaning=reading.meaning, words=False, main=False, cell=cell)


def _met(values: Any) -> list[str]:
    return list(dict.fromkeys(values))
