"""Two studies side by side on a terminal, in Markdown and LaTeX, and as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from whichpeft.analysis import MethodChange, TwoStudies
from whichpeft.report.tables.export import markdown, pipes
from whichpeft.report.tables.latex import booktabs, latex, latex_cell
from whichpeft.report.tables.two_studies import COLUMNS, Column, groups, headline, notes
from whichpeft.report.text import plain

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 2  # blank cells between two columns, in addition to the divider


def print_two(two: TwoStudies, console: Console) -> None:
    """Print what changed, then one table per backbone and task, then the notes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console.print(Text(headline(two), style="bold"))
    for change in two.changes:
        console.print(Text.assemble(("changed  ", "cyan"), plain(str(change))))
    if not two.changes:
        console.print(Text("neither the question nor the environment changed"))
    for name, methods in groups(two).items():
        kept = list(COLUMNS)
        while sum(_width(column, methods) for column in kept) > console.width and len(kept) > 2:
            kept.remove(max(kept, key=lambda column: column.keep))
        console.print()
        console.print(Text(name, style="bold"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _BETWEEN, 0, 0), show_edge=False)
        for column in kept:
            table.add_column(
                column.title,
                justify="left" if column.words else "right",
                no_wrap=column.title != "method",
                overflow="fold",
            )
        for method in methods:
            style = "bold" if method.flipped else ""
            table.add_row(*(Text(column.show(method), style=style) for column in kept))
        console.print(table)
        dropped = ", ".join(column.title for column in COLUMNS if column not in kept)
        if dropped:
            console.print(Text(f"hidden because the terminal is too narrow: {dropped}", style="dim"))
    for line in notes(two):
        console.print(Text.assemble(("note  ", "yellow"), line))


def _width(column: Column, methods: Sequence[MethodChange]) -> int:
    return max(len(column.title), *(len(column.show(method)) for method in methods)) + _BETWEEN + 1


def as_markdown(two: TwoStudies) -> str:
    """Write what changed, and one Markdown table per backbone and task."""
    lines = [f"**{markdown(headline(two))}**", ""]
    lines += [f"- {markdown(plain(str(change)))}" for change in two.changes]
    for name, methods in groups(two).items():
        lines += [
            "",
            f"**{markdown(name)}**",
            "",
            pipes([column.title for column in COLUMNS]),
            pipes([":--" if column.words else "--:" for column in COLUMNS]),
            *(pipes([markdown(column.show(method)) for column in COLUMNS]) for method in methods),
        ]
    lines += ["", *(f"- {markdown(note)}" for note in notes(two))]
    return "\n".join(lines) + "\n"


def as_latex(two: TwoStudies) -> str:
    """Write one booktabs table per backbone and task (``\\usepackage{booktabs}``)."""
    notes_beneath = [latex(plain(f"{line}.")) for line in [*map(str, two.changes), *notes(two)]]
    return "\n".join(
        booktabs(
            caption=plain(f"{name}. {headline(two)}").rstrip("."),
            label=f"{name}-two-studies",
            headings=[[latex(column.title) for column in COLUMNS]],
            rows=[[latex_cell(column.show(method)) for column in COLUMNS] for method in methods],
            words=[column.words for column in COLUMNS],
            notes=notes_beneath,
        )
        for name, methods in groups(two).items()
    )


def as_html(two: TwoStudies) -> str:
    """Return an HTML page that needs neither a network nor scripts."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = files("whichpeft.report.page")
    template = environment.from_string(folder.joinpath("two_studies.html.j2").read_text("utf-8"))
    return template.render(
        title=" and ".join(map(plain, two.names)),
        headline=headline(two),
        names=[plain(name) for name in two.names],
        changes=[[plain(text) for text in (c.what, c.first, c.second)] for c in two.changes],
        columns=COLUMNS,
        sections=[
            (name, [(method.flipped, [column.show(method) for column in COLUMNS]) for method in methods])
            for name, methods in groups(two).items()
        ],
        notes=notes(two),
        style="\n".join(
            folder.joinpath(f"{name}.css").read_text("utf-8") for name in ("page", "page_print")
        ),
    )
