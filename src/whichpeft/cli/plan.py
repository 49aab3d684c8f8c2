"""The command that plans: parse and print, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from whichpeft.cli.output import check_format
from whichpeft.cli.study_options import override, study_to_plan
from whichpeft.units import parse_bytes, parse_speed, show_bytes, show_count, show_percent, show_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whichpeft.costs.estimates import Estimates

    _Show = Callable[[Mapping[str, Any]], str]

_NONE = "-"
_NARROWEST = 12
_LEAST_NEEDED = ("GFLOP", "trained", "file", "check-\npointed")


def plan(
    study: Annotated[
        Path | None, typer.Argument(metavar="[STUDY.yaml]", help="A study file; options override it.")
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="A known name (llama-7b), a hub id, or a folder. May be repeated."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="A task's name, a hub data set, or a file or folder; without: no head."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="A method, e.g. lora:r=8. May be repeated.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples per optimiser step.")] = None,
    micro_batch: Annotated[
        int | None, typer.Option(help="Examples at once; gradients add up to a whole batch.")
    ] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory, more time.")
    ] = False,
    quantise: Annotated[str | None, typer.Option(help="The backbone's weights: 8bit or 4bit.")] = None,
    shards: Annotated[int | None, typer.Option(help="Devices that each trial is spread over.")] = None,
    length: Annotated[int | None, typer.Option(help="Tokens an example (speech: samples).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training examples.")] = None,
    max_train: Annotated[int | None, typer.Option(help="Training examples, at most.")] = None,
    text_column: Annotated[
        list[str] | None, typer.Option(help="Name or 0-based index; twice for a pair.")
    ] = None,
    label_column: Annotated[str | None, typer.Option(help="Name or 0-based index.")] = None,
    problem: Annotated[
        str | None, typer.Option(help="classification, regression or generation.")
    ] = None,
    train: Annotated[str | None, typer.Option(help="File with the training examples.")] = None,
    folder: Annotated[
        str | None,
        typer.Option(help="Where the sets of commonsense and arithmetic, or lm-eval:NAME, lie."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    memory: Annotated[str | None, typer.Option(help="The device's, e.g. 24GB: what fits it?")] = None,
    speed: Annotated[
        str | None, typer.Option(help="Sustained, e.g. 80TFLOPS; else this machine's is measured.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps; need not be here.")] = "auto",
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
) -> None:
    """Say what each method would cost, from the backbone's configuration alone."""
    from whichpeft import api

    check_format(format, ["table", "json"])
    asked = override(
        study_to_plan(study, task=task),
        backbone=backbone,
        task=task,
        method=method,
        precision=precision,
        gradient_checkpointing=gradient_checkpointing,
        quantise=quantise,
        shards=shards,
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
    found = api.plan(asked, length=length, memory=limit, speed=rate, device=device)
    if format == "json":
        print(found.to_json())
    else:
        _print(found, Console())


def _print(found: Estimates, console: Console) -> None:
    """Print a table, leaving out columns that no row fills."""
    columns: dict[str, _Show] = {
        "method": lambda row: str(row["method"]),
        "adapter": lambda row: _show(show_count, row["adapter_parameters"]),
        "trained": lambda row: _show(show_percent, row["trainable_percent"]),
        "file": lambda row: _show(show_bytes, row["adapter_bytes"]),
        "memory": lambda row: _show(show_bytes, row["training_memory_bytes"]),
        "check-\npointed": lambda row: _show(show_bytes, row["checkpointed_memory_bytes"]),
        "GFLOP": lambda row: _show(_show_giga, row["flops_per_sample"]),
        "time": lambda row: _show(show_seconds, row["train_seconds"]),
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
        untold = [row["method"] for row in rows if _is_untold(row)]
        if untold:
            line = f"What is missing of {', '.join(untold)} a run's profile tells, and no shapes alone."
            console.print(Text(line), soft_wrap=True)
        console.print(Text(note), soft_wrap=True)
        if left_out:
            line = f"Left out for want of width: {', '.join(left_out)}; --format json has all."
            console.print(Text(line), soft_wrap=True)


def _is_untold(row: Mapping[str, Any]) -> bool:
    """Whether a method would work and trains something, and its memory is not known."""
    trains = row["trainable_parameters"] != 0
    return row["refusal"] is None and trains and row["training_memory_bytes"] is None


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


def _show(show: Callable[[Any], str], value: float | None) -> str:
    return _NONE if value is None else show(value)


def _show_giga(value: float) -> str:
    return f"{value / 1e9:,.0f}" if value >= 1e11 else f"{value / 1e9:.3g}"
