"""`whichpeft run`: runs a study and prints its table."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
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
from whichpeft.cli.output import SOME_FAILED, check_format, exit_if_unreadable, print_note
from whichpeft.cli.study_from_options import override, study_to_run, with_default_name
from whichpeft.units import counted

if TYPE_CHECKING:
    from types import FrameType

    from whichpeft.executors import RunObserver
    from whichpeft.records import Record
    from whichpeft.study import Study

INTERRUPTED, TERMINATED = 130, 143


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
    metric: Annotated[str | None, typer.Option(help="Metric of the score: matthews, f1:CLASS.")] = None,
    train: TrainFile = None,
    validation: Annotated[str | None, typer.Option(help="File with the validation examples.")] = None,
    test: Annotated[str | None, typer.Option(help="File with the test examples.")] = None,
    folder: SetsFolder = None,
    baseline: Annotated[
        str | None, typer.Option(help="Method that the others are compared with.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Number of trials that run in parallel; on GPUs at most.")
    ] = None,
    executor: Annotated[
        str, typer.Option(help="Where trials run: local, or ray for the cluster at RAY_ADDRESS.")
    ] = "local",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
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
    from whichpeft.api import folder_of
    from whichpeft.api import run as run_study

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
    try:
        with _stopped_by_sigterm():
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
                observer=_observer(quiet),
            )
    except KeyboardInterrupt as ended:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # it ends now; a second one would only print a traceback
        _print_how_to_resume(place)
        sys.exit(TERMINATED if isinstance(ended, _Terminated) else INTERRUPTED)
    if format == "json":
        print(report.to_json())
    else:
        report.print(Console())
    if not quiet:
        print_note(f"Report: {place / 'report.html'}")
    _exit_if_trials_failed(requested, place, report.records)
    exit_if_unreadable(requested)


class _Terminated(KeyboardInterrupt):
    """The run got SIGTERM, for example from a scheduler."""


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Handle SIGTERM like ctrl-C, so that trials save checkpoints and records stay complete."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _observer(quiet: bool) -> RunObserver | None:
    if not quiet:
        return None
    from whichpeft.executors import SilentObserver

    return SilentObserver()


def _print_dry_run(study: Study, folder: Path, *, format: str, quiet: bool, **how: Any) -> None:
    from whichpeft.api import dry_run
    from whichpeft.executors import SilentObserver
    from whichpeft.units import show_seconds

    console = Console()

    class Printer(SilentObserver):
        """Prints what was read above the table."""

        def notify(self, line: str) -> None:
            console.print(Text(line), soft_wrap=not console.is_terminal)

    silent = quiet or format == "json"
    planned = dry_run(study, out=folder, observer=SilentObserver() if silent else Printer(), **how)
    if format == "json":
        print(planned.to_json())
        return
    if not quiet:
        console.print()
    table = Table(title=f"{study.name}: trials to run", title_justify="left", box=None)
    for heading in ("backbone", "task", "method", "tuning", "seeds", "each", "note"):
        table.add_column(heading)
    for row in planned.rows:
        each = "" if row.seconds is None else f"about {show_seconds(row.seconds)}"
        seeds = ",".join(map(str, row.seeds)) + (f" up to {row.more} more" if row.more else "")
        tuning = str(row.tuning or "")
        table.add_row(*map(Text, (row.backbone, row.task, row.method, tuning, seeds, each, row.note)))
    console.print(table)
    trials, time = f"{planned.trials}", show_seconds(planned.seconds)
    if planned.trials_at_most > planned.trials:
        trials += f" to {planned.trials_at_most}"
        time += f" to {show_seconds(planned.seconds_at_most)}"
    console.print(
        Text(
            f"{trials} trials to run, {planned.done} done before; with {planned.concurrency} in "
            f"parallel, about {time}. Folder: {folder}"
        )
    )


def _print_how_to_resume(folder: Path) -> None:
    kept = len(list((folder / "records").glob("*.json")))
    print_note(
        f"Interrupted with {kept} records in {folder}. The same command resumes the run; "
        f"`whichpeft report {folder}` prints the results so far."
    )


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
