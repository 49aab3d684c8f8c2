"""The table on a terminal, with as many columns as fit its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whichpeft.analysis import Comparison
from whichpeft.report.tables.columns import METHOD, Column, brief
from whichpeft.report.tables.language import extra_score_lines
from whichpeft.report.tables.layout import Layout
from whichpeft.report.tables.notes import about, interval_note, problems, pscp_note
from whichpeft.report.text import plain
from whichpeft.report.verdict_text import undecided, verdict_notes

_STYLES = {"failed": "red", "refused": "yellow", "partial": "yellow", "completed": "green"}
_BETWEEN = 3  # blank cells between two columns, including the divider


def print_comparisons(
    comparisons: Sequence[Comparison], console: Console, layout: Layout | None = None
) -> None:
    """Print one table per backbone and task, each followed by its notes."""
    layout = layout or Layout()
    layout.check(comparisons)
    for i, comparison in enumerate(comparisons):
        if i:
            console.print()
        _print(comparison, console, layout)


def fitting(comparison: Comparison, width: int) -> list[Column]:
    """Return the columns that fit a width in cells; the least important are dropped first."""
    kept = list(brief(comparison))
    while _needed(comparison, kept, width) > width and len(kept) > 2:
        kept.remove(max(kept, key=lambda column: column.keep or 0))
    return kept


def _print(comparison: Comparison, console: Console, layout: Layout) -> None:
    # Columns that were asked for are shown, even if the table is then too wide.
    columns = layout.columns_of(comparison, fitting(comparison, console.width))
    console.print(Text(about(comparison), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(
            Text(column.title),
            justify="left" if column.words else "right",
            no_wrap=column is not METHOD,
            overflow="fold",
            max_width=_longest(column, console.width),
        )
    for result in layout.results_of(comparison):
        style = "" if result.status == "completed" else _STYLES.get(result.status, "")
        table.add_row(*(Text(column.show(result), style=style) for column in columns))
    console.print(table)
    for line in (interval_note(comparison), *verdict_notes(comparison), *pscp_note(comparison)):
        console.print(Text(line, style="dim"))
    for line in extra_score_lines(comparison):
        console.print(Text(line))
    dropped = [column.title for column in brief(comparison) if column not in columns]
    if dropped and not layout.columns:
        hidden = f"hidden because the terminal is too narrow: {', '.join(dropped)}"
        console.print(Text(hidden, style="dim"))
    for method, needed in undecided(comparison):
        console.print(Text(f"undecided  {method}: {needed}"))
    for method, status, reason in problems(comparison):
        console.print(
            Text.assemble((status, _STYLES.get(status, "")), f"  {method}: {reason}"), soft_wrap=False
        )
    print_notes(comparison.notes, console)


def print_notes(notes: Iterable[str], console: Console) -> None:
    """Print one line per note."""
    for note in notes:
        console.print(Text(f"note  {plain(note)}", style="yellow"))


def _needed(comparison: Comparison, columns: Sequence[Column], width: int) -> int:
    """Return the width that the columns need on a terminal of this width, in cells."""
    needed = 0
    for column in columns:
        cells = (column.title, *(column.show(result) for result in comparison.results))
        needed += min(max(map(cell_len, cells)), _longest(column, width) or width) + _BETWEEN
    return needed


def _longest(column: Column, width: int) -> int | None:
    """Return the width at which method names wrap, so that the measurements keep their place."""
    return max(16, width * 3 // 10) if column is METHOD else None
