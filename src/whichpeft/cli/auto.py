"""`whichpeft auto`: finds the method to use within a time."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from whichpeft.cli.choose import NOTHING_FITS, print_written
from whichpeft.cli.options import (
    Baseline,
    BatchSize,
    Device,
    Epochs,
    ExecutorName,
    Jobs,
    LabelColumn,
    MaxAdapterSize,
    MaxLatency,
    MaxMemory,
    MaxTrain,
    MaxTrainable,
    MaxTrainTime,
    Metric,
    MicroBatch,
    Out,
    Overwrite,
    Problem,
    SetsFolder,
    StudyFile,
    TestFile,
    TextColumn,
    TrainFile,
    ValidationFile,
    WriteTo,
    with_condition_options,
)
from whichpeft.cli.output import check_format, exit_if_unreadable, print_note, printing_observer
from whichpeft.cli.race_dry_run import lines_of
from whichpeft.cli.resumable import observer_for, resumable
from whichpeft.cli.study_from_options import override

if TYPE_CHECKING:
    from whichpeft.report.race.answer import AutoAnswer
    from whichpeft.study import AutoOptions, Study

_WITHIN = "30m"
_BOUNDS = ("within", "examples", "trials")


@with_condition_options
def auto(
    study: StudyFile = None,
    task: Annotated[
        str | None, typer.Option(help="Task: a known name, a hub data set, a file or a folder.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Backbone: minilm, tiny-llama, a hub id or a folder.")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(help=f"Time for everything, such as 10m or 2h. [default: {_WITHIN}]"),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(help="Instead: training examples of all trials together.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Instead: a number of whole trainings.")] = None,
    max_memory: MaxMemory = None,
    max_trainable: MaxTrainable = None,
    max_adapter_size: MaxAdapterSize = None,
    max_latency: MaxLatency = None,
    max_train_time: MaxTrainTime = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Cost to minimise: time, trainable, memory, adapter-size or latency. [default: time]"
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Score you accept to lose for it, in points. [default: 2.0]")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method to try, such as lora. May be repeated. [default: all that apply]"),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(help="Hyperparameters to try per method, its defaults first. [default: 8]"),
    ] = None,
    finalists: Annotated[
        int | None, typer.Option(help="Most methods that are tested. [default: 6]")
    ] = None,
    epochs: Epochs = None,
    max_train: MaxTrain = None,
    batch_size: BatchSize = None,
    micro_batch: MicroBatch = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    problem: Problem = None,
    metric: Metric = None,
    train: TrainFile = None,
    validation: ValidationFile = None,
    test: TestFile = None,
    folder: SetsFolder = None,
    baseline: Baseline = None,
    out: Out = None,
    jobs: Jobs = None,
    executor: ExecutorName = "local",
    device: Device = "auto",
    write: WriteTo = None,
    overwrite: Overwrite = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page on 127.0.0.1 during the race.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print what the time can buy; train nothing but a few steps.")
    ] = False,
    quiet: Annotated[bool, typer.Option(help="Print only the answer.")] = False,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
    **conditions: Any,
) -> None:
    """Find the method to use within a time: try all methods a little, and the best ones in earnest.

    Exits with code 3 if no method fits the limits.
    """
    from whichpeft import api
    from whichpeft.running.race.race_study import as_race

    began = _process_began()
    check_format(format, ["text", "json"])
    if write is not None:
        from whichpeft.takeaway import check_place

        check_place(write, overwrite=overwrite)
    given = {
        "within": within,
        "examples": examples,
        "trials": trials,
        "max_memory": max_memory,
        "max_trainable": max_trainable,
        "max_adapter_size": max_adapter_size,
        "max_latency": max_latency,
        "max_train_time": max_train_time,
        "by": by,
        "margin": margin,
        "candidates": candidates,
        "finalists": finalists,
    }
    asked = override(
        _study(study, task=task, backbone=backbone),
        backbone=[backbone] if backbone else None,
        task=[task] if task else None,
        method=method,
        baseline=baseline,
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
            "metric": metric,
            "train": train,
            "validation": validation,
            "test": test,
            "folder": folder,
        },
        conditions=conditions,
    )
    asked = dataclasses.replace(asked, auto=_options(asked.auto, given))
    requested = as_race(asked)
    place = api.folder_of(requested, out)
    if dry_run:
        planned = api.auto_dry_run(
            requested,
            out=place,
            jobs=jobs,
            executor=executor,
            device=device,
            observer=printing_observer(Console(), silent=quiet or format == "json"),
            began=began,
        )
        print(planned.to_json() if format == "json" else "\n".join(lines_of(planned, requested)))
        return
    with resumable(place):
        answer = api.auto(
            requested,
            out=place,
            jobs=jobs,
            executor=executor,
            device=device,
            keep_adapters=write is not None,
            serve=serve,
            observer=observer_for(quiet),
            began=began,
        )
    if format == "text":
        answer.print(Console(), with_next=write is None)
    if not quiet:
        print_note(f"Report: {place / 'report.html'}")
    fits = answer.choices.fits
    written: list[Path] = []
    if fits and write is not None:
        written, answer = _take_away(answer, place, write, overwrite)
    if format == "json":
        print(answer.to_json())
    if not fits:
        if write is not None:
            print_note("Nothing is written, because no method can be chosen.")
        sys.exit(NOTHING_FITS)
    print_written(written)
    exit_if_unreadable(requested)


def _take_away(
    answer: AutoAnswer, place: Path, out: Path, overwrite: bool
) -> tuple[list[Path], AutoAnswer]:
    """Write the chosen method; return the folders, and the answer that names them as what comes next."""
    from whichpeft.report import Report
    from whichpeft.report.race.answer import AutoAnswer
    from whichpeft.takeaway import write_takeaway

    written = write_takeaway(answer.report, answer.choices, folder=place, out=out, overwrite=overwrite)
    report = Report.read(place)
    report.write_html(place / "report.html")
    return written, AutoAnswer(report)


def _process_began() -> float:
    """Return when this process was started, by `time.monotonic`: its imports count to the time."""
    import psutil

    return time.monotonic() - max(0.0, time.time() - psutil.Process().create_time())


def _study(path: Path | None, *, task: str | None, backbone: str | None) -> Study:
    if path is None:
        from whichpeft.running.race.race_study import auto_study

        return auto_study(task=task, backbone=backbone)
    from whichpeft.study import load_study

    return load_study(path)


def _options(kept: AutoOptions | None, given: dict[str, Any]) -> AutoOptions:
    """Return the options of a file with those of the command in their place."""
    from whichpeft.study.auto import read_auto

    changes = {key: value for key, value in given.items() if value is not None}
    before = {} if kept is None else kept.written()
    if any(key in changes for key in _BOUNDS):
        before = {key: value for key, value in before.items() if key not in _BOUNDS}
    elif not any(key in before for key in _BOUNDS):
        changes["within"] = _WITHIN
    return read_auto(before | changes)
