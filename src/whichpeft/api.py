"""Runs a study from beginning to end; what `whichpeft.run` and the command share."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.errors import StudyError
from whichpeft.running.request import check_request
from whichpeft.running.trial_batching import check_batch_trials
from whichpeft.study import Budget, Study
from whichpeft.tasks import default_backbone, generates_text, is_image_task

if TYPE_CHECKING:
    from whichpeft.costs.estimates import Estimates
    from whichpeft.executors import RunObserver
    from whichpeft.report import Report
    from whichpeft.running.dry_run import DryRun

DEFAULT = Study(
    name="default",
    backbone="minilm",
    task="stdlib-docs",
    methods=(
        "full", "head", "lora:r=8", "lora:r=16", "lora:r=32", "adalora", "bitfit", "prefix", "p-tuning",
    ),
    seeds=(0, 1, 2),
    budget=Budget(epochs=2, max_train=720, batch_size=16),
)  # fmt: skip
"""What `whichpeft run` does without arguments: the methods of the survey's notebook."""

# What is compared on images where no method is named: one of each kind that needs no tokens.
IMAGE_METHODS = (
    "full", "head", "top-layers", "lora", "dora", "adalora", "ia3", "vera", "oft", "bitfit",
    "ln-tuning", "series-adapter", "parallel-adapter", "loreft", "zero-shot",
)  # fmt: skip

# What is compared on a language model that generates text: the methods of the survey's table.
WRITING_METHODS = (
    "prefix", "series-adapter", "parallel-adapter", "lora", "dora", "loreft", "full",
)  # fmt: skip


def usual_study(tasks: Sequence[str]) -> Study:
    """Return what is run where tasks are named and nothing else: it suits what they hold."""
    images = all(is_image_task(task) for task in tasks)
    written = all(generates_text(task) for task in tasks)
    return Study(
        backbones=list(dict.fromkeys(default_backbone(task) for task in tasks)),
        tasks=tasks,
        methods=IMAGE_METHODS if images else WRITING_METHODS if written else DEFAULT.methods,
    )


def run(
    study: Study = DEFAULT,
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    keep_adapters: bool = False,
    profile: str = "standard",
    batch_trials: str | int = "auto",
    halve_micro_batch: bool = False,
    serve: bool = False,
    executor: str = "local",
    observer: RunObserver | None = None,
) -> Report:
    """Run what is missing of a study in its folder and return the report.

    out: the run folder; ``whichpeft-runs/<study name>`` where not given. jobs: trials side by
    side on a CPU; as many as fit its cores and memory where not given. keep_adapters: leave what
    each final trial trained under ``adapters/``, in PEFT's format where it is PEFT's. profile:
    ``standard`` measures costs in a few seconds a method, ``thorough`` in about twenty, with narrower
    quartiles. batch_trials: train so many trials of a method as one model; ``off`` none, ``auto`` where
    it was measured to pay (never on a CPU). halve_micro_batch: try a trial that runs out of memory
    again with half as many examples at once, in the same batches; its record says how many. serve: show
    the page while it fills, on 127.0.0.1 only; the observer gets its address. executor: ``local``, or
    ``ray`` for the cluster at ``RAY_ADDRESS``, else one that is started here. observer: of the run's
    progress; a live display where not given. Writes ``report.html`` into the folder, and a model
    card beside each adapter that is kept.

    Raises RequestError, with nothing run, where the request is wrong. A trial that fails becomes
    a failed record and does not raise.
    """
    from whichpeft.engine.profile_budget import find_profile_budget
    from whichpeft.executors import make_executor
    from whichpeft.report import Report
    from whichpeft.running.live_display import LiveDisplay
    from whichpeft.running.runner import run_study

    profile_budget = find_profile_budget(profile)
    batch = check_batch_trials(str(batch_trials))
    where = make_executor(executor, device=device, jobs=jobs)
    request = check_request(study, folder_of(study, out), jobs)
    with (
        tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch,
        contextlib.nullcontext(observer) if observer is not None else LiveDisplay() as told,
        contextlib.closing(where),
        contextlib.ExitStack() as beside,
    ):
        if serve:
            from whichpeft.running.live_page import LivePage

            live = beside.enter_context(LivePage(request.store.folder))
            told.notify(f"live page: {live.address}")
            told = live.followed_by(told)
        run_study(
            request,
            Path(scratch),
            executor=where,
            observer=told,
            keep_adapters=keep_adapters,
            profile_budget=profile_budget,
            batch_trials=batch,
            halve_micro_batch=halve_micro_batch,
        )
    report = Report.from_store(request.store)
    report.write_html(request.store.folder / "report.html")
    if keep_adapters:
        from whichpeft.takeaway.cards import write_cards

        write_cards(report, request.store.folder)
    return report


def dry_run(
    study: Study,
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    profile: str = "standard",
    batch_trials: str | int = "auto",
    executor: str = "local",
) -> DryRun:
    """Say which trials `run` would run and how long it would take, from a few timed steps.

    The time is that of trials one by one; `batch_trials` is checked as `run` does. Raises RequestError
    where the request is wrong. Writes nothing.
    """
    from whichpeft.engine.profile_budget import find_profile_budget
    from whichpeft.executors import make_executor
    from whichpeft.running.dry_run import make_dry_run

    profile_budget = find_profile_budget(profile)
    check_batch_trials(str(batch_trials))
    where = make_executor(executor, device=device, jobs=jobs)
    request = check_request(study, folder_of(study, out), jobs)
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch, contextlib.closing(where):
        return make_dry_run(request, Path(scratch), where, profile_budget=profile_budget)


def plan(
    study: Study,
    *,
    length: int | None = None,
    memory: int | str | None = None,
    speed: float | str | None = None,
    device: str = "auto",
) -> Estimates:
    """Say what each method of a study would cost, from the backbone's configuration alone.

    A study without tasks is planned without a head. length: of an example; that of the task's
    longest training example where not given, else 128 or what the backbone takes. memory: of the
    device, in bytes or as ``24GB``. speed: that the device sustains, in FLOP/s or as ``80TFLOPS``;
    measured on this machine where not given. device: auto, cpu, cuda or mps; it need not be here.

    Raises RequestError where the request is wrong. Nothing is trained and nothing is written.
    """
    from whichpeft.costs.estimates import make_estimates
    from whichpeft.units import parse_bytes, parse_speed

    return make_estimates(
        study,
        length=length,
        memory=parse_bytes(memory) if isinstance(memory, str) else memory,
        speed=parse_speed(speed) if isinstance(speed, str) else speed,
        device=device,
    )


def folder_of(study: Study, out: Path | str | None) -> Path:
    """Return the folder a study runs in. Raises StudyError where its name would lead elsewhere."""
    if out is not None:
        return Path(out)
    if study.name in (".", "..") or any(char in study.name for char in "/\\:\0"):
        raise StudyError(
            f"study {study.name!r}: a name without / \\ : becomes a folder in whichpeft-runs; "
            "change it, or name the folder with --out"
        )
    return Path("whichpeft-runs", study.name or "unnamed")
