"""Published tables for terminals and papers, each with its source and reliability."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft import reference
from whichpeft.report.tables.export import markdown, pipes, strict
from whichpeft.report.tables.latex import booktabs, latex, latex_cell
from whichpeft.report.text import UNKNOWN
from whichpeft.units import show_bytes, show_count, show_percent, show_seconds

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 2  # blank cells between two columns
_PREFIX = "llama-3.2-3B-"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a published table."""

    title: str
    """The heading."""

    key: str
    """The column's name in the data."""

    show: Callable[[Any], str] = str
    """Formats a value."""

    words: bool = False
    """Whether the column holds words, which are aligned to the left."""

    keep: bool = False
    """Whether a narrow terminal shows the column too."""


def _number(value: float) -> str:
    return f"{value:.1f}"


def _share(value: float) -> str:
    return f"{value:.3f}"


def _measured(*keys: str) -> tuple[Column, ...]:
    return tuple(Column(key, key, _number) for key in keys)


_WHO = (
    Column("model", "model", words=True, keep=True),
    Column("method", "method", words=True, keep=True),
)
_METHOD = _WHO[1:]
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "commonsense": (
        *_WHO,
        Column("share, %", "params_percent_as_first_published", _share, keep=True),
        Column("corrected", "params_percent_corrected", _share),
        *_measured("BoolQ", "PIQA", "SIQA", "HellaSwag", "WinoGrande", "ARC-e", "ARC-c", "OBQA"),
        Column("mean", "average", _number, keep=True),
    ),
    "arithmetic": (
        *_WHO,
        *_measured("AQuA", "GSM8K", "MAWPS", "SVAMP"),
        Column("mean", "Avg", _number, keep=True),
    ),
    "domains": (
        Column("application", "application", words=True, keep=True),
        Column("backbone", "backbone", words=True),
        Column("method", "peft_method", words=True, keep=True),
        Column("share, %", "params_percent", "{:g}".format, keep=True),
        Column("retained, %", "performance_retention_percent", "{:g}".format, keep=True),
        Column("reported benefit", "primary_benefit", words=True),
    ),
    "hf-metamathqa": (
        Column(
            "experiment", "experiment", lambda name: name.replace(_PREFIX, ""), words=True, keep=True
        ),
        Column("accuracy, %", "test_accuracy", lambda value: f"{100 * value:.1f}", keep=True),
        Column("trainable", "trainable_parameters", show_count, keep=True),
        Column("peak reserved", "peak_reserved_bytes", show_bytes, keep=True),
        Column("steps", "step_seconds", show_seconds),
        Column("as published", "train_seconds_as_published", show_seconds),
        Column("file", "file_bytes", show_bytes),
        Column("forgetting", "forgetting", "{:.3f}".format),
    ),
    "peft-bench-cost": (
        *_METHOD,
        Column("mean score", "score_percent", _number, keep=True),
        Column("trainable", "trainable_parameters", show_count, keep=True),
        Column("extra TFLOP", "extra_inference_tflops", "{:.2f}".format),
        Column("peak GB", "peak_memory_gb", "{:.2f}".format),
        Column("PSCP", "published_pscp", "{:.2f}".format, keep=True),
    ),
    "parameter-counts": (
        Column("backbone", "backbone", words=True, keep=True),
        *_METHOD,
        Column("configuration", "configuration", words=True),
        Column("trainable", "trainable_parameters", show_count, keep=True),
        Column("counted", "percent_of_all", show_percent, keep=True),
        Column("published", "published_percent", show_percent, keep=True),
    ),
}


def print_published(name: str, console: Console) -> None:
    """Print a published table with as many columns as fit, then its source and reliability."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns, rows = as_text(name)
    cells = {
        column: [column.title, *(row[place] for row in rows)] for place, column in enumerate(columns)
    }
    wide = {column: max(map(len, texts)) + _BETWEEN for column, texts in cells.items()}
    left_out: list[str] = []
    for column in reversed([column for column in columns if not column.keep]):
        if sum(wide.values()) > console.width:
            del wide[column]
            left_out.insert(0, column.title)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _BETWEEN - 1, 0, 0), show_edge=False)
    for column in wide:
        table.add_column(
            Text(column.title),
            justify="left" if column.words else "right",
            no_wrap=not column.words,
            overflow="fold",
        )
    for place in range(1, len(rows) + 1):
        table.add_row(*(Text(cells[column][place]) for column in wide))
    console.print(table)
    if left_out:
        text = f"hidden because the terminal is too narrow: {', '.join(left_out)}"
        console.print(Text(text, style="dim"))
    source = reference.source(name)
    console.print(Text(f"{source.what}. Published in {source.published}."))
    for line in source.reliability:
        console.print(Text.assemble(("note  ", "yellow"), line))


def as_text(name: str) -> tuple[Sequence[Column], list[list[str]]]:
    """Return the columns of a published table and its rows as text.

    If a table has one column per data set, the data sets become the rows.
    """
    name = reference.canonical(name)
    frame = reference.load(name)
    if name not in _COLUMNS:
        sets = frame.set_index("method").drop(columns="params").T
        columns = [Column("data set", "", words=True, keep=True)]
        columns += [Column(method, method, keep=True) for method in sets.columns]
        return columns, [[str(key), *map(_number, values)] for key, *values in sets.itertuples()]
    known = _COLUMNS[name]
    return known, [
        [UNKNOWN if _missing(row[column.key]) else column.show(row[column.key]) for column in known]
        for row in frame.to_dict(orient="records")
    ]


def as_json(name: str) -> str:
    """Write a published table as a JSON list of objects; unknown is null."""
    rows = reference.load(name).to_dict(orient="records")
    return json.dumps(
        [{str(key): strict(value) for key, value in row.items()} for row in rows], indent=1
    )


def as_csv(name: str) -> str:
    """Write a published table as CSV, with its numbers as published; unknown is empty."""
    return reference.load(name).to_csv(index=False, lineterminator="\n")


def as_markdown(name: str) -> str:
    """Write a published table as Markdown, followed by its source and reliability."""
    columns, rows = as_text(name)
    source = reference.source(name)
    lines = [
        f"**{markdown(source.what)}**",
        "",
        pipes([column.title for column in columns]),
        pipes([":--" if column.words else "--:" for column in columns]),
        *(pipes([markdown(cell) for cell in row]) for row in rows),
        "",
        f"Published in {markdown(source.published)}.",
        "",
        *(f"- {markdown(line)}" for line in source.reliability),
    ]
    return "\n".join(lines) + "\n"


def as_latex(name: str) -> str:
    """Write a published table as LaTeX (``\\usepackage{booktabs}``), with its source in the caption."""
    columns, rows = as_text(name)
    return booktabs(
        caption=str(reference.source(name)).rstrip("."),
        label=name,
        headings=[[latex(column.title) for column in columns]],
        rows=[[latex_cell(cell) for cell in row] for row in rows],
        words=[column.words for column in columns],
    )


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
