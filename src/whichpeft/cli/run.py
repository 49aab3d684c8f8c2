"""`whichpeft run`: runs a study and prints its table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whichpeft.cli.options import (
    Baseline,
    BatchSize,
    Device,
    Epochs,
    ExecutorName,
    Jobs,
    LabelColumn,
    MaxTrain,
    Methods,
    Metric,
    MicroBatch,
    Out,
    Problem,
    SetsFolder,
    StudyFile,
    TestFile,
    TextColumn,
    TrainFile,
    ValidationFile,
    with_condition_options,
)
from whichpeft.cli.output import (
    SOME_FAILED,
    check_format,
    exit_if_unreadable,
    print_note,
    printing_observer,
)
from whichpeft.cli.resumable import observer_for, resumable
from whichpeft.cli.study_from_options import override, study_to_run, with_default_name
from whichpeft.units import counted

if TYPE_CHECKING:
    from whichpeft.records import Record
    from whichpeft.study import Study


@with_condition_options
def run(
    study: StudyFile = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="Backbone: minilm, tiny-llama, a hub id or a folder. May be repeated."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task: a known name, a hub data set, a file or a folder. May be repeated."),
    ] = None,
    method: Methods = None,
    seeds: Annotated[
        str | None, typer.Option(help="Number of seeds, or auto: more for what is still undecided.")
    ] = None,
    tuning_trials: Annotated[
        int | None,
        typer.Option(help="Tuning trials per method; the first one uses the method's defaults."),
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
    keep_adapters: Annotated[
        bool, typer.Option(help="Keep the trained weights of every final trial in adapters/.")
    ] = False,
    profile: Annotated[
        str, typer.Option(help="How costs are measured: standard, or thorough, which takes longer.")
    ] = "standard",
    batch_trials: Annotated[
        str,
        typer.Option(help="Trials of a method that train as one model: auto, off or a number."),
    ] = "auto",
    halve_micro_batch: Annotated[
        bool, typer.Option(help="If memory runs out, try again with half the micro-batch.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the report on 127.0.0.1 while the study runs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print the trials and an estimate of their time; run none.")
    ] = False,
    quiet: Annotated[bool, typer.Option(help="Print only the table.")] = False,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    **conditions: Any,
) -> None:
    """Run a comparison, or resume one, and print its table."""
    check_format(format, ["table", "json"])
    columns = {
        "text_columns": tuple(text_column or ()),
        "label_column": label_column,
        "problem": problem,
        "metric": metric,
        "train": train,
        "validation": validation,
        "test": test,
        "folder": folder,
    }
    budget = {
        "tuning_trials": tuning_trials,
        "epochs": epochs,
        "max_train": max_train,
        "batch_size": batch_size,
        "micro_batch": micro_batch,
    }
    requested = override(
        study_to_run(study, task=task, backbone=backbone),
        backbone=backbone,
        task=task,
        method=method,
        seeds=seeds,
        baseline=baseline,
        budget=budget,
        columns=columns,
        conditions=conditions,
    )
    if study is None and (task or backbone or any(columns.values())):
        requested = with_default_name(requested)
    from whichpeft.api import folder_of  # after the check of names, since it imports a lot
    from whichpeft.api import run as run_study

    place = folder_of(requested, out)
    if dry_run:
        _print_dry_run(
            requested,
            place,
            jobs=jobs,
            device=device,
            profile=profile,
            batch_trials=batch_trials,
            executor=executor,
            format=format,
            quiet=quiet,
        )
        exit_if_unreadable(requested)
        return
    with resumable(place):
        report = run_study(
            requested,
            out=place,
            jobs=jobs,
            executor=executor,
            device=device,
            keep_adapters=keep_adapters,
            profile=profile,
            batch_trials=batch_trials,
            halve_micro_batch=halve_micro_batch,
            serve=serve,
            observer=observer_for(quiet),
        )
    if format == "json":
        print(report.to_json())
    else:
        report.print(Console())
    if not quiet:
        print_note(f"Report: {place / 'report.html'}")
    _exit_if_trials_failed(requested, place, report.records)
    exit_if_unreadable(requested)


def _print_dry_run(study: Study, folder: Path, *, format: str, quiet: bool, **how: Any) -> None:
    from whichpeft.api import dry_run
    from whichpeft.units import show_seconds_between

    console = Console()
    observer = printing_observer(console, silent=quiet or format == "json")
    planned = dry_run(study, out=folder, observer=observer, **how)
    if format == "json":
        print(planned.to_json())
        return
    if not quiet:
        console.print()
    table = Table(title=f"{study.name}: trials to run", title_justify="left", box=None)
    for heading in ("backbone", "task", "method", "tuning", "seeds", "each", "note"):
        table.add_column(heading)
    for row in planned.rows:
        each = "" if row.time is None else show_seconds_between(row.time.low, row.time.high)
        seeds = ",".join(map(str, row.seeds)) + (f" up to {row.more} more" if row.more else "")
        tuning = str(row.tuning or "")
        table.add_row(*map(Text, (row.backbone, row.task, row.method, tuning, seeds, each, row.note)))
    console.print(table)
    trials = f"{planned.trials}"
    if planned.trials_at_most > planned.trials:
        trials += f" to {planned.trials_at_most}"
    time = show_seconds_between(planned.time.low, planned.time_at_most.high)
    console.print(
        Text(
            f"{trials} trials to run, {planned.done} done before; with {planned.concurrency} in "
            f"parallel, about {time}. Folder: {folder}"
        )
    )
    if planned.busy is not None:
        busy = f"{planned.busy[0].upper()}{planned.busy[1:]}"
        print_note(f"{busy}. On a quiet machine expect the shorter times.")


def _exit_if_trials_failed(study: Study, folder: Path, records: Iterable[Record]) -> None:
    """Exit with code 1 if trials of this request failed, now or in an earlier run."""
    from whichpeft.methods import read_method
    from whichpeft.study import all_seeds

    methods = {read_method(text).identity for text in study.methods}
    failed = [
        record
        for record in records
        if record.outcome.status == "failed"
        and record.trial.method_id in methods
        # Some candidates of a search are expected to diverge; the table shows if none finished.
        and (record.trial.number or 0) == 0
        and (record.trial.purpose != "final" or record.trial.seed in all_seeds(study.seeds))
    ]
    if failed:
        names = ", ".join(f"{record.trial.fingerprint}.json" for record in failed[:3])
        more = ", ..." if len(failed) > 3 else ""
        print_note(
            f"{counted(len(failed), 'trial')} failed. To try one again, delete its record from "
            f"{folder / 'records'} ({names}{more}) and run the command again."
        )
        sys.exit(SOME_FAILED)
