"""The command that chooses: parse and print, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from whichpeft.cli.output import check_format

NOTHING_FITS = 3


def choose(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    max_memory: Annotated[str | None, typer.Option(help="Peak memory of training, e.g. 6GB.")] = None,
    max_trainable: Annotated[
        str | None, typer.Option(help="Trainable share of all parameters, e.g. 1%.")
    ] = None,
    max_adapter_size: Annotated[
        str | None, typer.Option(help="What is saved beside the backbone, e.g. 5MB.")
    ] = None,
    max_latency: Annotated[str | None, typer.Option(help="Inference of one example, e.g. 20ms.")] = None,
    max_train_time: Annotated[
        str | None, typer.Option(help="Optimisation of one trial, e.g. 10m.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="What is to be cheap: time, trainable, memory, adapter-size or latency.")
    ] = "time",
    margin: Annotated[float, typer.Option(help="Points of score that may be given up for it.")] = 2.0,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write what the chosen method needs into this folder."),
    ] = None,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Name the cheapest method that is not worse than the best one within your limits.

    Exit code 3 where nothing fits.
    """
    from whichpeft.report import Report

    check_format(format, ["text", "json"])
    report = Report.read(folder)
    for what in report.damaged:
        Console(stderr=True).print(Text(f"whichpeft: left out: {what}"), soft_wrap=True)
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
        choices.print(Console())
    if not choices.fits:
        sys.exit(NOTHING_FITS)
    if write is not None:
        from whichpeft.takeaway import write_takeaway

        for path in write_takeaway(report, choices, folder=folder, out=write):
            Console(stderr=True).print(Text(f"Written: {path}"), soft_wrap=True)
