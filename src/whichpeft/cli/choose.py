"""`whichpeft choose`: recommends a method within limits."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from whichpeft.cli.options import (
    MaxAdapterSize,
    MaxLatency,
    MaxMemory,
    MaxTrainable,
    MaxTrainTime,
    Overwrite,
    RunFolder,
    WriteTo,
)
from whichpeft.cli.output import check_format, print_error, print_note

NOTHING_FITS = 3


def choose(
    folder: RunFolder,
    max_memory: MaxMemory = None,
    max_trainable: MaxTrainable = None,
    max_adapter_size: MaxAdapterSize = None,
    max_latency: MaxLatency = None,
    max_train_time: MaxTrainTime = None,
    by: Annotated[
        str, typer.Option(help="Cost to minimise: time, trainable, memory, adapter-size or latency.")
    ] = "time",
    margin: Annotated[float, typer.Option(help="Score you accept to lose for it, in points.")] = 2.0,
    write: WriteTo = None,
    overwrite: Overwrite = False,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Recommend the cheapest method that is not worse than the best one within your limits.

    Exits with code 3 if no method fits.
    """
    from whichpeft.report import Report

    check_format(format, ["text", "json"])
    if write is not None:
        from whichpeft.takeaway import check_place

        check_place(write, overwrite=overwrite)
    report = Report.read(folder)
    for message in report.damaged:
        print_error(f"left out: {message}")
    choices = report.choose(
        max_memory=max_memory,
        max_trainable=max_trainable,
        max_adapter_size=max_adapter_size,
        max_latency=max_latency,
        max_train_time=max_train_time,
        by=by,
        margin=margin,
    )
    if format == "json":
        print(choices.to_json())
    else:
        choices.print(Console(), with_next=write is None)
    if not choices.fits:
        if write is not None:
            print_note("Nothing is written, because no method can be chosen.")
        sys.exit(NOTHING_FITS)
    if write is not None:
        from whichpeft.takeaway import write_takeaway

        print_written(write_takeaway(report, choices, folder=folder, out=write, overwrite=overwrite))


def print_written(folders: Iterable[Path]) -> None:
    """Say which folders were written, and how to use them."""
    from whichpeft.report.answer_parts.next_command import use_command

    for path in folders:
        print_note(f"Written: {path}")
        command = use_command(path)
        if command is not None and (path / "adapter").is_dir():
            print_note(f"Predict: {command}")
        elif command is not None:
            print_note(f"The run kept no adapter; this trains one: {command}")
