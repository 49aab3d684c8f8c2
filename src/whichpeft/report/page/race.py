"""The page's section on a race: who left when and why, and what it took."""

from __future__ import annotations

from typing import Any

from whichpeft.report.figure_set import race_figures
from whichpeft.report.page.figures import screen_figures
from whichpeft.report.page.looks import legend
from whichpeft.report.race.course import Course
from whichpeft.report.race.ladder import about_race, finalists_first
from whichpeft.report.race.spending import SPENDING_COLUMNS, spending_cells
from whichpeft.report.race.table import race_table
from whichpeft.report.race.words import economy


def race_section(course: Course, chosen: str | None) -> dict[str, Any]:
    """Return the template variables of the section; `chosen` is the recommended method."""
    saved = economy(course)
    methods = [entrant.method for entrant in course.racing]
    return {
        "id": "race",
        "heading": f"The race: {about_race(course)}",
        "short": "The race",
        "words": [saved] if saved else [],
        **screen_figures(lambda size: race_figures(course, size), "race"),
        "legend": legend(methods, finalists_first(course)),
        "spent_columns": SPENDING_COLUMNS,
        "spent": spending_cells(course),
        "table": race_table(course, chosen),
    }
