"""Results over several tasks as text: one definition for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichpeft.analysis import AcrossTasks
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.units import points

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 3  # cells between two columns: padding and the divider


def heading(across: AcrossTasks) -> str:
    """Return the heading: ``minilm over 5 tasks``."""
    return f"{plain(across.backbone)} over {len(across.tasks)} tasks"


def columns(across: AcrossTasks) -> list[tuple[str, str]]:
    """Return title and meaning of each column."""
    found = [
        ("method", "as written in the study"),
        ("average rank", "mean rank by score over the tasks; 1 is the best"),
    ]
    if across.against:
        margin, base = f"{points(across.margin):g} points", plain(across.baseline)
        found += [
            ("mean gap", f"score minus that of {base}, in points, mean over the tasks"),
            ("P(worse)", f"probability of being worse than {base} by more than {margin}"),
            ("P(equivalent)", f"probability of being within {margin} of {base}"),
            ("P(better)", f"probability of being better than {base} by more than {margin}"),
        ]
    return [*found, *((plain(task), "rank on this task") for task in across.tasks)]


def cells(across: AcrossTasks) -> list[list[str]]:
    """Return one row of text per method, the best average rank first."""
    rows = []
    for method in across.methods:
        row = [plain(method), f"{across.average_ranks[method]:.2f}"]
        if across.against:
            found = across.against.get(method)
            row += (
                ["baseline", UNKNOWN, UNKNOWN, UNKNOWN]
                if found is None
                else [
                    f"{points(found.mean):+.1f}",
                    *(f"{share:.2f}" for share in (found.worse, found.equivalent, found.better)),
                ]
            )
        rows.append([*row, *(f"{rank:g}" for rank in across.ranks[method])])
    return rows


def order_words(across: AcrossTasks) -> str:
    """State whether the order of the methods is more than chance."""
    if across.order is None:
        return f"not tested: {across.too_few}"
    apart = f"{across.order.critical_difference:.1f}"
    if across.order.p_value < 0.05:
        verdict = "the order of the methods is more than chance"
    else:
        verdict = "the order of the methods may be chance"
    return (
        f"{verdict} (Friedman test, p {_p(across.order.p_value)}); average ranks that differ by more "
        f"than {apart} differ significantly (Nemenyi test, 5 % over all pairs)"
    )


def probability_words(across: AcrossTasks) -> str | None:
    """Define the probabilities, if there are any."""
    if not across.against:
        return None
    return (
        f"P: probability of being worse than {plain(across.baseline)} by more than "
        f"{points(across.margin):g} points, within that margin, or better, on tasks like these "
        "(Bayesian signed-rank test)"
    )


def remarks(across: AcrossTasks) -> list[str]:
    """List what was left out, and why."""
    left = [f"{plain(method)} is left out: {plain(why)}" for method, why in across.left_out.items()]
    return [*left, *map(plain, across.notes)]


def print_across(found: Sequence[AcrossTasks], console: Console) -> None:
    """Print one table per backbone, without the ranks on single tasks if they do not fit."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for across in found:
        console.print()
        console.print(Text(heading(across), style="bold"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
        shown = _fitting(across, console.width)
        titles = [title for title, _ in columns(across)]
        for i in shown:
            table.add_column(Text(titles[i]), justify="right" if i else "left", overflow="fold")
        for row in cells(across):
            table.add_row(*(Text(row[i]) for i in shown))
        console.print(table)
        for words in (order_words(across), probability_words(across)):
            if words is not None:
                console.print(Text(words, style="dim"))
        for remark in remarks(across):
            console.print(Text(f"note  {remark}", style="yellow"))


def _fitting(across: AcrossTasks, width: int) -> list[int]:
    """Return the indices of the columns to print."""
    titles = [title for title, _ in columns(across)]
    rows = [titles, *cells(across)]
    needed = [max(len(row[i]) for row in rows) + _BETWEEN for i in range(len(titles))]
    shown = len(titles) if sum(needed) <= width else len(titles) - len(across.tasks)
    return list(range(shown))


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"
