"""Runs, dry-runs and plans studies: what `whichpeft.run`, `whichpeft.plan` and the command share."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.errors import StudyError
from whichpeft.running.default_study import DEFAULT
from whichpeft.running.request import check_request
from whichpeft.running.trial_stacking import check_batch_trials
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.costs.study_estimates import Estimates
    from whichpeft.executors import RunObserver
    from whichpeft.report import Report
    from whichpeft.report.race.answer import AutoAnswer
    from whichpeft.running.dry_run import DryRun
    from whichpeft.running.race.dry_run import RaceDryRun


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
    """Run the trials of a study that its folder has no records of, and return the report.

    Also writes ``report.html`` into the folder. A trial that fails becomes a failed record and does not
    raise.

    Parameters
    ----------
    study
        The study; the one that ``whichpeft run`` runs without arguments by default.
    out
        The run folder; ``whichpeft-runs/<study name>`` by default.
    jobs
        The most trials that run side by side; on a CPU exactly that many. By default as many as fit the
        cores and the memory, and up to four on each GPU.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    keep_adapters
        Whether to keep what each final trial trained in ``adapters/``, with a model card. An adapter of
        PEFT is in PEFT's format.
    profile
        ``standard`` measures costs in a few seconds per method; ``thorough`` takes about twenty and
        gives narrower quartiles.
    batch_trials
        How many trials of a method train as one model. ``off`` trains them one by one; ``auto`` trains
        them together if that was measured to be faster, and never on a CPU.
    halve_micro_batch
        Whether to try a trial that runs out of memory again with half as many examples at a time, in the
        same batches. Its record contains the number.
    serve
        Whether to serve the page while it fills, on 127.0.0.1 only; the observer gets its address.
    executor
        ``local``, or ``ray`` for the cluster at ``RAY_ADDRESS``, or one that is started on this machine.
    observer
        Follows the run's progress; a live display by default.

    Returns
    -------
    Report
        The report on all records of the folder.

    Raises
    ------
    RequestError
        If the request is wrong; nothing has been run then.
    """
    from whichpeft.engine.profiling.budget import find_profile_budget
    from whichpeft.executors import make_executor
    from whichpeft.report import Report
    from whichpeft.running.live_display import LiveDisplay
    from whichpeft.running.runner import run_study

    profile_budget = find_profile_budget(profile)
    batch = check_batch_trials(str(batch_trials))
    chosen = make_executor(executor, device=device, jobs=jobs)
    request = check_request(study, folder_of(study, out), jobs)
    with (
        tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch,
        contextlib.nullcontext(observer) if observer is not None else LiveDisplay() as follower,
        contextlib.closing(chosen),
        contextlib.ExitStack() as stack,
    ):
        if serve:
            from whichpeft.running.live_page import LivePage

            page = stack.enter_context(LivePage(request.store.folder))
            follower.notify(f"live page: {page.address}")
            follower = page.followed_by(follower)
        run_study(
            request,
            Path(scratch),
            executor=chosen,
            observer=follower,
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


def auto(
    study: Study | None = None,
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    keep_adapters: bool = False,
    serve: bool = False,
    executor: str = "local",
    observer: RunObserver | None = None,
    began: float | None = None,
    **options: Any,
) -> AutoAnswer:
    """Find the method to use: race all methods within the time that you have.

    The race screens every method on a share of its training, trains the most promising to the end, and
    tests a few finalists on fresh seeds. Also writes ``report.html`` into the folder. The same call
    continues a race that was interrupted.

    Parameters
    ----------
    study
        The study, whose `Study.auto` says what the race may spend; by default one that is made of
        `options`.
    out
        The run folder; ``whichpeft-runs/<study name>`` by default.
    jobs, device, keep_adapters, serve, executor, observer
        As for `run`. Adapters are those of the finals.
    began
        When the time of the race started, by `time.monotonic`; now by default.
    options
        What the study is made of without one: ``backbone``, ``task``, ``methods``, ``budget``, and what
        `AutoOptions` has, such as ``within="30m"``, ``margin=2.0`` or ``max_trainable="1%"``.

    Returns
    -------
    AutoAnswer
        The method to use, how sure that is, and the race.

    Raises
    ------
    RequestError
        If the request is wrong; nothing has been run then.
    """
    import time

    from whichpeft.executors import make_executor
    from whichpeft.records import Store
    from whichpeft.report import Report
    from whichpeft.report.race.answer import AutoAnswer
    from whichpeft.running.live_display import LiveDisplay
    from whichpeft.running.race.check import check_race
    from whichpeft.running.race.clock import Clock
    from whichpeft.running.race.race_study import as_continued, as_race, auto_study
    from whichpeft.running.race.start import options_of, run_race

    began = time.monotonic() if began is None else began
    study = auto_study(**options) if study is None else as_race(study)
    chosen = make_executor(executor, device=device, jobs=jobs)
    folder = folder_of(study, out)
    request = check_race(as_continued(study, Store(folder)), folder, jobs)
    store = request.store
    clock = Clock(store.folder, options_of(study).within, began)
    with (
        tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch,
        contextlib.nullcontext(observer) if observer is not None else LiveDisplay() as follower,
        contextlib.closing(chosen),
        contextlib.ExitStack() as stack,
    ):
        if serve:
            from whichpeft.running.live_page import LivePage

            page = stack.enter_context(LivePage(store.folder, lambda: clock.left))
            follower.notify(f"live page: {page.address}")
            follower = page.followed_by(follower)
        run_race(
            request,
            Path(scratch),
            executor=chosen,
            observer=follower,
            clock=clock,
            keep_adapters=keep_adapters,
        )
    report = Report.from_store(store)
    report.write_html(store.folder / "report.html")
    if keep_adapters:
        from whichpeft.takeaway.cards import write_cards

        write_cards(report, store.folder)
    return AutoAnswer(report)


def auto_dry_run(
    study: Study,
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    executor: str = "local",
    observer: RunObserver | None = None,
    began: float | None = None,
) -> RaceDryRun:
    """Return what the bound of a race would buy, by its limits and a few timed steps.

    Takes the parameters of `auto`; the observer gets what was read before any step is timed. Writes
    nothing. Raises RequestError if the request is wrong.
    """
    import time

    from whichpeft.executors import SilentObserver, make_executor
    from whichpeft.running.race.check import check_race
    from whichpeft.running.race.dry_run import make_race_dry_run
    from whichpeft.running.race.race_study import as_race

    began = time.monotonic() if began is None else began
    chosen = make_executor(executor, device=device, jobs=jobs)
    study = as_race(study)
    request = check_race(study, folder_of(study, out), jobs)
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch, contextlib.closing(chosen):
        return make_race_dry_run(
            request, Path(scratch), chosen, observer=observer or SilentObserver(), began=began
        )


def dry_run(
    study: Study,
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    profile: str = "standard",
    batch_trials: str | int = "auto",
    executor: str = "local",
    observer: RunObserver | None = None,
) -> DryRun:
    """Return which trials `run` would run, and how long they would take by a few timed steps.

    Takes the parameters of `run`; the observer gets what was read before any step is timed. The time
    assumes that trials train one by one; `batch_trials` is only checked. Writes nothing. Raises
    RequestError if the request is wrong.
    """
    from whichpeft.engine.profiling.budget import find_profile_budget
    from whichpeft.executors import SilentObserver, make_executor
    from whichpeft.running.dry_run import make_dry_run

    profile_budget = find_profile_budget(profile)
    check_batch_trials(str(batch_trials))
    chosen = make_executor(executor, device=device, jobs=jobs)
    request = check_request(study, folder_of(study, out), jobs)
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch, contextlib.closing(chosen):
        return make_dry_run(
            request,
            Path(scratch),
            chosen,
            profile_budget=profile_budget,
            observer=observer or SilentObserver(),
        )


def plan(
    study: Study = DEFAULT,
    *,
    length: int | None = None,
    memory: int | str | None = None,
    speed: float | str | None = None,
    device: str = "auto",
) -> Estimates:
    """Estimate what each method of a study would cost, from the backbone's configuration alone.

    Trains nothing and writes nothing. A study without tasks is planned without a head.

    Parameters
    ----------
    study
        The study to plan; the one that ``whichpeft run`` runs without arguments by default.
    length
        Tokens per example. By default those of the task's longest training example; without a task 128,
        or what the backbone can read if that is less.
    memory
        Memory of the device, in bytes or as ``24GB``.
    speed
        FLOP/s that the device sustains, as a number or as ``80TFLOPS``; by default as measured on this
        machine.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``. This machine does not need to have it.

    Returns
    -------
    Estimates
        One row per method.

    Raises
    ------
    RequestError
        If the request is wrong.
    """
    from whichpeft.costs.study_estimates import make_estimates
    from whichpeft.units import parse_bytes, parse_speed

    return make_estimates(
        study,
        length=length,
        memory=parse_bytes(memory) if isinstance(memory, str) else memory,
        speed=parse_speed(speed) if isinstance(speed, str) else speed,
        device=device,
    )


def folder_of(study: Study, out: Path | str | None) -> Path:
    """Return the folder that a study runs in. Raises StudyError if its name is not a folder's name."""
    if out is not None:
        return Path(out)
    if study.name in (".", "..") or any(char in study.name for char in "/\\:\0"):
        raise StudyError(
            f"study {study.name!r}: the name becomes a folder in whichpeft-runs, so it cannot contain "
            "/ \\ or :; change it, or name the folder with --out"
        )
    return Path("whichpeft-runs", study.name or "unnamed")
