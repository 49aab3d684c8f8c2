"""The answer of a race, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.report.answer import print_answer
from whichpeft.report.choices import print_details
from whichpeft.report.race.course import Course, share_in_words
from whichpeft.report.race.leaving import Leaving, leaving
from whichpeft.report.race.spending import SPENDING_COLUMNS, spending_cells
from whichpeft.report.text import plain
from whichpeft.units import join_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from whichpeft.report.race.answer import AutoAnswer


def print_race(answer: AutoAnswer, console: Console, *, with_next: bool = True) -> None:
    """Print the answer, the finalists, why the others left, and where the time went."""
    from rich.text import Text

    (short,) = answer.report.answers
    print_answer(short, console, with_next=with_next)
    console.print()
    for sentence in answer.course_in_words:
        console.print(Text(sentence))
    for choice in answer.choices:
        console.print()
        print_details(choice, console, said=short.cautions)
    console.print()
    for words, names in why_they_left(answer.course):
        console.print(Text.assemble((f"{words}  ", "yellow"), join_words(names)))
    table = spending_table(answer.course)
    if table.row_count:
        console.print()
        console.print(table)


def why_they_left(course: Course) -> list[tuple[str, list[str]]]:
    """Return the methods that left by their reason, in the order in which they left."""
    groups: dict[tuple[float, str], list[str]] = {}
    for entrant in course.race.entrants:
        left = leaving(course, entrant.method)
        if left is not None:
            name = plain(entrant.method)
            words: str = left.why
            if left.why in ("refused", "failed", "over a limit"):
                name += f" ({plain(left.because)})"
            if left.why == "dropped" and left.at is not None:
                words = f"dropped after {share_in_words(left.at)}"
            groups.setdefault((_when(left), words), []).append(name)
    return [(words, names) for (_, words), names in sorted(groups.items())]


def _when(left: Leaving) -> float:
    """Return when a method left, for the order: those that never started first."""
    if left.at is None:
        return 0.0 if left.why != "not finished" else 0.99
    return left.at + (left.why == "fell behind")


def spending_table(course: Course) -> Table:
    """Return what each part of the race took, and what an exhaustive study takes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, title in enumerate(SPENDING_COLUMNS):
        table.add_column(title, justify="right" if i else "left")
    cells = spending_cells(course)
    for i, row in enumerate(cells):
        # A line above the sum.
        table.add_row(*map(Text, row), end_section=i == len(cells) - 3)
    return table
