"""The summary for a decision: one page with the answer, the methods, one figure and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.figure import Figure, Size
from whichpeft.report.figures.frontier import frontiers
from whichpeft.report.figures.render import vega_lite_version
from whichpeft.report.figures.style import looks, theme
from whichpeft.report.page.lead import leads
from whichpeft.report.page.looks import hues_css, symbol, with_variables
from whichpeft.report.page.page import fill, read_text
from whichpeft.report.page.provenance import summary_of_origin
from whichpeft.report.tables.columns import brief
from whichpeft.report.tables.notes import interval_note
from whichpeft.report.text import plain

if TYPE_CHECKING:
    from whichpeft.report.contents import ReportContents

_MOST_ROWS = 8
_MOST_ANSWERS = 12
_FIGURE = Size(width=600, height=210)
_COLUMNS = (
    "method", "score", "gap", "verdict", "share", "train time", "peak memory", "adapter",
)  # fmt: skip


def summary(report: ReportContents) -> str:
    """Return the summary as HTML without scripts, which prints on one page."""
    first, rest = leads(report.answers)
    # Several answers share the page as a list; a single one has it to itself.
    listed = [*([] if len(first) == 1 else first), *rest]
    alone = report.comparisons[0] if len(report.comparisons) == 1 else None
    chosen = first[0].answer.method if len(first) == 1 else None
    return fill(
        "summary.html.j2",
        title=plain(report.study.name) or "whichpeft",
        lead=first[0] if len(first) == 1 else None,
        listed=listed[:_MOST_ANSWERS],
        more=len(listed) - _MOST_ANSWERS,
        table=None if alone is None else _table(alone, chosen),
        drawing=None if alone is None else _drawing(alone),
        origin=summary_of_origin(report),
        style="\n".join([hues_css(), read_text("page.css"), read_text("summary.css")]),
    )


def _table(comparison: Comparison, chosen: str | None) -> dict[str, Any]:
    """Return the rows that a decision needs: the chosen method, the baseline, then the best ones."""
    columns = [column for column in brief(comparison) if column.title in _COLUMNS]
    shown = _most_useful(comparison, chosen)
    look = looks([result.method for result in comparison.results])
    left_out = len(comparison.answers) - len(shown)
    return {
        "columns": columns,
        "rows": [
            {
                "cells": [column.show(result) for column in columns],
                "symbol": symbol(look[result.method]),
                "chosen": result.method == chosen,
            }
            for result in shown
        ],
        "note": interval_note(comparison),
        "left_out": left_out,
    }


def _most_useful(comparison: Comparison, chosen: str | None) -> Sequence[MethodResult]:
    def place(result: MethodResult) -> tuple[bool, bool, float]:
        score = result.score_mean
        return (
            result.method != chosen,
            result is not comparison.baseline_result,
            1.0 if score is None else -score,
        )

    kept = sorted(comparison.answers, key=place)[:_MOST_ROWS]
    return sorted(kept, key=lambda result: 1.0 if result.score_mean is None else -result.score_mean)


def _drawing(comparison: Comparison) -> dict[str, Any] | None:
    """Return the frontier as a drawing with its texts; None if there is nothing to draw."""
    found: Figure = next(iter(frontiers(comparison, _FIGURE).values()))
    if found.empty_because:
        return None
    from markupsafe import Markup
    from vl_convert import vegalite_to_svg

    spec = {**with_variables(found.chart.to_dict()), "config": theme(page=True)}
    svg = vegalite_to_svg(spec, vl_version=vega_lite_version())
    return {"title": found.title, "caption": found.caption, "svg": Markup(svg)}
