"""The commands that list methods, tasks, backbones and published results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whichpeft.cli.output import check_format, print_note
from whichpeft.errors import StudyError, suggestion

if TYPE_CHECKING:
    from whichpeft.methods import LogRange, Method

_Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show only this one.")]
_LIST_ALL = "leave the name out to list all"
_ListFormat = Annotated[str, typer.Option(help="table or json.")]


def methods(name: _Name = None, format: _ListFormat = "table") -> None:
    """List the methods and what each supports, or show one in detail.

    "merges": it can be folded into the backbone's weights. "several": a model can hold several of its
    adapters. Every method also has the options learning_rate, weight_decay and warmup_ratio.
    """
    from whichpeft.methods import methods as known

    if name is not None and name in known():
        _print_method(known()[name](), format)
        return
    rows: list[dict[str, object]] = [
        {
            "method": key,
            "what it does": kind.info.description,
            "for": kind.info.supports,
            "merges": "yes" if kind.info.merges else "no",
            "several": "yes" if kind.info.several_adapters else "no",
        }
        for key, kind in known().items()
    ]
    if format == "json":
        rows = [
            {**row, "options": _options(kind())}
            for row, kind in zip(rows, known().values(), strict=True)
        ]
    _print(rows, name, format)


def _print_method(method: Method, format: str) -> None:
    """Print the facts about one method, one per line."""
    from whichpeft.methods import PeftMethod

    check_format(format, ["table", "json"])
    space = {key: _show_choices(values) for key, values in method.search_space.items()}
    info = method.info
    file_options = method.peft.file_options if isinstance(method, PeftMethod) else ()
    facts: dict[str, Any] = {
        "method": method.name,
        "what it does": info.description,
        "paper": info.paper,
        "for": info.supports,
        "merges into the weights": info.merges,
        "several adapters in a model": info.several_adapters,
        "learning rate": info.learning_rate,
        "its source": info.learning_rate_source,
        "falls with the width": info.scales_with_width,
        "options": _options(method),
        "further options": sorted(method.further_options),
        "only in a config file": sorted(file_options),
        "tuning tries": space,
    }
    if format == "json":
        print(json.dumps([facts], indent=1))
        return
    shown = {
        **facts,
        "options": _show_options(facts["options"]),
        "further options": ", ".join(facts["further options"]),
        "only in a config file": ", ".join(facts["only in a config file"]),
        "tuning tries": "; ".join(f"{key}: {values}" for key, values in space.items()),
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in shown.items():
        text = (
            {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        )
        table.add_row(Text(key, style="bold"), Text(text))
    Console().print(table)


def _show_options(options: Mapping[str, object]) -> str:
    from whichpeft.study.names import format_value

    return ", ".join(f"{option}={format_value(value)}" for option, value in options.items())


def _show_choices(values: LogRange | tuple[object, ...]) -> str:
    from whichpeft.methods import LogRange

    if isinstance(values, LogRange):
        return f"{values.low:g} to {values.high:g}"
    return ", ".join(map(str, values))


def tasks(name: _Name = None, format: _ListFormat = "table") -> None:
    """List the tasks known by name. Files, folders and hub data sets work as tasks too."""
    from whichpeft.tasks import list_tasks

    rows = [
        {"task": key, "what it is": known.description, "metric": known.metric or "its own"}
        for key, known in list_tasks().items()
        if known.listed or key == name
    ]
    _print(rows, name, format)


def backbones(name: _Name = None, format: _ListFormat = "table") -> None:
    """List the backbones known by name; hub ids and folders are backbones too."""
    from whichpeft.backbones import BACKBONES, architectures

    rows = [
        {"backbone": key, "what it is": known.description, "for": "run and plan"}
        for key, known in BACKBONES.items()
    ]
    rows += [
        {"backbone": key, "what it is": known.description, "for": f"plan; to run: {known.hub}"}
        for key, known in architectures().items()
    ]
    _print(rows, name, format)


def reference(
    name: _Name = None,
    format: Annotated[
        str, typer.Option(help="table or json; for one set of results, also csv, markdown or latex.")
    ] = "table",
    figures: Annotated[
        Path | None, typer.Option(help="Write figures of the results to this folder.")
    ] = None,
) -> None:
    """List the published results that come with whichpeft, or show one set with its source.

    Caveats are printed with the table; for json and csv they go to standard error.
    """
    from whichpeft import reference as published
    from whichpeft.report.published import tables

    writers = {
        "json": tables.as_json,
        "csv": tables.as_csv,
        "markdown": tables.as_markdown,
        "latex": tables.as_latex,
    }
    check_format(format, ["table", "json"] if name is None else ["table", *writers])
    if name is not None:
        name = published.canonical(name)
    if figures is not None:
        from whichpeft.report.published.write import write_published

        write_published(figures, name)
    if name is None:
        rows = [{"reference": key, "source": str(published.source(key))} for key in published.NAMES]
        _print(rows, None, format)
    elif format == "table":
        tables.print_published(name, Console())
    else:
        print(writers[format](name).rstrip("\n"))
        if format in ("json", "csv"):
            print_note(str(published.source(name)))


def _options(method: Method) -> dict[str, object]:
    """Return a method's own hyperparameters, without the three that every method has."""
    every = {"learning_rate", "weight_decay", "warmup_ratio"}
    return {key: value for key, value in method.hyperparameters.items() if key not in every}


def _print(rows: Sequence[Mapping[str, object]], name: str | None, format: str) -> None:
    """Print all rows, or the one whose first column is `name`."""
    check_format(format, ["table", "json"])
    if name is not None:
        names = [str(next(iter(row.values()))) for row in rows]
        if name not in names:
            raise StudyError(f"{name!r} is not listed{suggestion(name, names, fix=_LIST_ALL)}")
        rows = [rows[names.index(name)]]
    if format == "json":
        print(json.dumps(list(rows), indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    Console().print(table)
