"""The page's table: every measurement of a comparison, as text and as a value to sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.style import looks
from whichpeft.report.page.looks import symbol
from whichpeft.report.tables.columns import METHOD, PSCP, STATUS, STEP, Column, brief, full
from whichpeft.report.tables.costs import ProfileColumn, profile_columns
from whichpeft.report.tables.language import ExtraScore, extra_scores
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.study.families import family_of

# The columns that are visible until the reader selects others.
_MAIN = {
    "method", "score, points", "gap, points", "verdict", "share of model", "train time", "peak memory",
    "adapter",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A cell of the table."""

    text: str
    """The text."""

    value: float | str | None
    """The value to sort by: a number, a text, or None if it is unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A column of the table."""

    title: str
    """The heading, with the unit."""

    meaning: str
    """The definition."""

    words: bool
    """Whether the column holds words, which are aligned to the left."""

    main: bool
    """Whether the column is visible until the reader selects others."""

    cell: Callable[[MethodResult], Cell]
    """Returns the cell of a result."""


def measurements(comparison: Comparison, chosen: str | None = None) -> dict[str, object]:
    """Return the template variables of the table; columns without any value are left out.

    Parameters
    ----------
    comparison
        The comparison to show.
    chosen
        The recommended method, whose row is marked.
    """
    headings = [
        *(_heading(column, comparison) for column in full(comparison)),
        *(_extra(score, comparison) for score in extra_scores(comparison)),
        *map(_cost, profile_columns(comparison)),
    ]
    look = looks([result.method for result in comparison.results])
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
                "chosen": result.method == chosen and result in comparison.answers,
                "symbol": symbol(look[result.method]),
            }
            for result, line in zip(comparison.results, lines, strict=True)
        ],
        "statuses": _distinct(result.status for result in comparison.results),
        "families": sorted(_distinct(plain(family_of(result.method)) for result in comparison.results)),
        "variants": _distinct(result.variant for result in comparison.results),
    }


def short_table(comparison: Comparison) -> dict[str, object]:
    """Return the template variables of the short table in notebooks."""
    columns = brief(comparison)
    look = looks([result.method for result in comparison.results])
    return {
        "columns": columns,
        "rows": [
            {
                "cells": [column.show(result) for column in columns],
                "status": result.status,
                "symbol": symbol(look[result.method]),
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

    main = column.title in _MAIN or column in (METHOD, PSCP)
    if column is STATUS:
        main = any(result.status != "completed" for result in comparison.results)
    return Heading(title=column.title, meaning=column.meaning, words=column.words, main=main, cell=cell)


def _extra(score: ExtraScore, comparison: Comparison) -> Heading:
    places = {result: place for place, result in enumerate(comparison.results)}

    def cell(result: MethodResult) -> Cell:
        place = places[result]
        return Cell(text=score.text(place), value=score.values[place])

    return Heading(title=score.title, meaning=score.meaning, words=False, main=False, cell=cell)


def _cost(column: ProfileColumn) -> Heading:
    def cell(result: MethodResult) -> Cell:
        cost = result.records.cost
        return Cell(text=column.text(cost), value=column.value(cost))

    return Heading(title=column.title, meaning=column.meaning, words=False, main=False, cell=cell)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
