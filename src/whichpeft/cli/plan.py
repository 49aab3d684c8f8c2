"""`whichpeft plan`: estimates what each method would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from whichpeft.cli.options import (
    BatchSize,
    Epochs,
    LabelColumn,
    MaxTrain,
    Methods,
    MicroBatch,
    Problem,
    SetsFolder,
    StudyFile,
    TextColumn,
    TrainFile,
    with_condition_options,
)
from whichpeft.cli.output import check_format, exit_if_unreadable
from whichpeft.cli.study_from_options import override, study_to_plan
from whichpeft.units import (
    join_words,
    parse_bytes,
    parse_speed,
    show_bytes,
    show_count,
    show_percent,
    show_seconds_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whichpeft.costs.study_estimates import Estimates

    _Show = Callable[[Mapping[str, Any]], str]

_NONE = "-"
_UNTOLD = "?"
_NARROWEST = 12
_NAMES = {
    "adapter_parameters": "the number of parameters",
    "adapter_bytes": "file",
    "training_memory_bytes": "memory",
    "flops_per_sample": "GFLOP",
}
_LEAST_NEEDED = ("GFLOP", "trained", "file", "check-\npointed")


@with_condition_options
def plan(
    study: StudyFile = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="Backbone: a known name (llama-7b), a hub id or a folder. May be repeated."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="Task: a known name, a hub data set, a file or a folder; without it, no head."
        ),
    ] = None,
    method: Methods = None,
    batch_size: BatchSize = None,
    micro_batch: MicroBatch = None,
    length: Annotated[int | None, typer.Option(help="Tokens per example (for speech, samples).")] = None,
    epochs: Epochs = None,
    max_train: MaxTrain = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    problem: Problem = None,
    train: TrainFile = None,
    folder: SetsFolder = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory of the device, such as 24GB; marks the methods that fit.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(help="Sustained speed, such as 80TFLOPS; measured on this machine by default."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps; this machine need not have it.")
    ] = "auto",
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    **conditions: Any,
) -> None:
    """Estimate what each method would cost, from the backbone's configuration alone."""
    from whichpeft import api

    check_format(format, ["table", "json"])
    requested = override(
        study_to_plan(study, task=task),
        backbone=backbone,
        task=task,
        method=method,
        conditions=conditions,
        budget={
            "epochs": epochs,
            "max_train": max_train,
            "batch_size": batch_size,
            "micro_batch": micro_batch,
        },
        columns={
            "text_columns": tuple(text_column or ()),
            "label_column": label_column,
            "problem": problem,
            "train": train,
            "folder": folder,
        },
    )
    limit = parse_bytes(memory) if memory is not None else None
    rate = parse_speed(speed) if speed is not None else None
    found = api.plan(requested, length=length, memory=limit, speed=rate, device=device)
    if format == "json":
        print(found.to_json())
    else:
        _print(found, Console())
    exit_if_unreadable(requested)


def _print(found: Estimates, console: Console) -> None:
    """Print a table for each backbone and task, without columns that are empty in all rows."""
    columns: dict[str, _Show] = {
        "method": lambda row: str(row["method"]),
        "adapter": lambda row: _cell(show_count, row, "adapter_parameters"),
        "trained": lambda row: _cell(show_percent, row, "trainable_percent"),
        "file": lambda row: _cell(show_bytes, row, "adapter_bytes"),
        "memory": lambda row: _cell(show_bytes, row, "training_memory_bytes"),
        "check-\npointed": lambda row: _show(show_bytes, row["checkpointed_memory_bytes"]),
        "GFLOP": lambda row: _cell(_show_giga, row, "flops_per_sample"),
        "time": _show_time,
        "fits": lambda row: _show(lambda fits: "yes" if fits else "no", row.get("fits")),
        "largest\nbatch": lambda row: _show(show_count, row.get("largest_batch")),
    }
    groups = dict.fromkeys((row["backbone"], row["task"]) for row in found.rows)
    for group, note in zip(groups, found.notes, strict=True):
        rows = [row for row in found.rows if (row["backbone"], row["task"]) == group]
        shown = {name: show for name, show in columns.items() if any(show(row) != _NONE for row in rows)}
        left_out = []
        free = console.options.update(width=10 * console.width)
        for name in _LEAST_NEEDED:
            if Measurement.get(console, free, _table(rows, shown)).minimum > console.width:
                shown.pop(name, None)
                left_out.append(name.replace("-\n", ""))
        console.print(_table(rows, shown))
        for row in rows:
            if row["refusal"] is not None:
                line = f"{row['method']} is refused: {row['refusal']}"
                console.print(Text(line), soft_wrap=True)
        for line in _untold_lines(rows):
            console.print(Text(line), soft_wrap=True)
        console.print(Text(note), soft_wrap=True)
        if left_out:
            names = ", ".join(left_out)
            line = f"hidden because the terminal is too narrow: {names}; --format json shows all"
            console.print(Text(line), soft_wrap=True)


def _untold_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say for which methods some columns cannot be told without a run, and why."""
    methods: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        columns: dict[str, list[str]] = {}
        for key, reason in row["untold"].items():
            if key in _NAMES:
                columns.setdefault(reason, []).append(_NAMES[key])
        for reason, names in columns.items():
            methods.setdefault((join_words(names), reason), []).append(row["method"])
    return [
        f"{', '.join(found)}: {names} cannot be told without a run: {reason}"
        for (names, reason), found in methods.items()
    ]


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, _Show]) -> Table:
    table = Table(box=None, pad_edge=False)
    cells = {name: [show(row) for row in rows] for name, show in columns.items()}
    for name, values in cells.items():
        if name == "method":
            table.add_column(name, overflow="fold", min_width=_NARROWEST)
        else:
            width = max(map(len, [*name.split("\n"), *values]))
            table.add_column(name, justify="right", min_width=width)
    for row in zip(*cells.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _show_time(row: Mapping[str, Any]) -> str:
    if row["trial_seconds"] is None:
        return _NONE
    return show_seconds_between(row["trial_seconds_low"], row["trial_seconds_high"])


def _show(show: Callable[[Any], str], value: float | None) -> str:
    return _NONE if value is None else show(value)


def _cell(show: Callable[[Any], str], row: Mapping[str, Any], key: str) -> str:
    return _UNTOLD if key in row["untold"] else _show(show, row[key])


def _show_giga(value: float) -> str:
    return f"{value / 1e9:,.0f}" if value >= 1e11 else f"{value / 1e9:.3g}"
