"""Trials as processes on one machine, forked from a server that has done the imports.

A trial's process gets its job when it starts, and sends progress and a result back through a pipe. The
server only imports, and starts no threads that could disturb a forked process. On systems without a
safe fork (macOS, Windows), each trial's process starts from scratch.
"""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from whichpeft.engine.fork_server import beginning, end_with_parent, start_context
from whichpeft.errors import show_debug_log
from whichpeft.executors.observer import RunObserver
from whichpeft.records import Outcome, Record, Setting
from whichpeft.storage.atomic import bytes_in_progress

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from types import FrameType

    from whichpeft.engine import Job, Progress, Result

_ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
_REPORT_EVERY = 0.2  # seconds between two reports of one trial
_ASK_AGAIN = 0.5  # seconds until jobs are asked for again, if none was ready and none runs
_CHECKPOINT_SECONDS = 120.0  # that a trial may take to finish its step and leave a checkpoint
_LATE_SECONDS = 5.0  # the same if the time for all trials is over
_PREEMPTED = 75  # exit code of a trial's process that was asked to end
_END: Any = object()


@dataclass(slots=True)
class _Running:
    """A process that carries out one trial, or several that train as one model."""

    left: list[Job]
    """Jobs whose results have not come."""
    process: BaseProcess
    pipe: Connection
    device: str
    started: float
    """When the process was started."""
    share: float
    """The share of its start-up time that counts for each of its trials."""
    phase: str | None = None
    """The last phase that it reported."""
    told_to_end: bool = False
    """Whether its time is over, so that it has not failed if it sends no result."""


def run_jobs(
    jobs: Iterable[Job | None],
    devices: Sequence[str],
    observer: RunObserver,
    *,
    concurrent_trials: int | None = None,
    environment: Mapping[str, str] | None = None,
    until: float | None = None,
) -> Generator[tuple[Job, Result], None, None]:
    """Carry out jobs as `Executor.run` does, one at a time for each device listed.

    Parameters
    ----------
    devices
        One is listed once for each trial that may run on it at the same time.
    concurrent_trials
        How many other trials may run on the same machine. By default one for each other device listed.
    environment
        Environment variables for the trials' processes.
    until
        As for `Executor.run`.
    """
    source = iter(jobs)
    free = list(devices)
    running: list[_Running] = []
    if concurrent_trials is None:
        concurrent_trials = len(free) - 1
    exhausted = False
    try:
        while True:
            left = math.inf if until is None else until - time.monotonic()
            if left <= 0:
                yield from _last_results(running, observer)
                return
            while free and not exhausted:
                job = next(source, _END)
                if job is _END:
                    exhausted = True
                elif job is None:
                    break
                else:
                    device = free.pop(0)
                    job = job.placed(device, concurrent_trials, devices.count(device) - 1)
                    running.append(_start(job, environment or {}))
                    for member in running[-1].left:
                        observer.started(member)
            if not running and exhausted:
                return
            if not running:  # the jobs that are left wait for something outside this process
                time.sleep(min(_ASK_AGAIN, left))
                continue
            for trial in _wait(running, min(1.0, left)):
                ended = _receive(trial, observer)
                if not trial.left:
                    running.remove(trial)
                    free.append(trial.device)
                yield from _told(ended, observer)
    finally:
        _end(running)


def _told(ended: Iterable[tuple[Job, Result]], observer: RunObserver) -> Iterator[tuple[Job, Result]]:
    for member, result in ended:
        observer.finished(member, result)
        yield member, result


def _last_results(running: list[_Running], observer: RunObserver) -> Iterator[tuple[Job, Result]]:
    """End trials, because their time is over; yield the results of those that finish all the same.

    Each has a few seconds to leave a checkpoint, and longer only as long as one grows.
    """
    for trial in running:
        trial.told_to_end = True
        trial.process.terminate()
    end, written = time.monotonic() + _LATE_SECONDS, 0
    while running and time.monotonic() < end:
        for trial in _wait(running, 0.1):
            ended = _receive(trial, observer)
            if not trial.left:
                running.remove(trial)
            yield from _told(ended, observer)
        if (now := sum(map(_checkpoint_bytes, running))) > written:
            end, written = time.monotonic() + _LATE_SECONDS, now
    for trial in running:
        trial.process.kill()


def _start(job: Job, environment: Mapping[str, str]) -> _Running:
    receiver, sender = start_context().Pipe(duplex=False)
    # A sharded trial starts processes of its own, which a daemon may not.
    process = start_context().Process(
        target=_carry_out, args=(job, sender, environment), daemon=job.trial.conditions.shards == 1
    )
    with beginning():
        process.start()
    # Not before: the first process waits until the fork server has finished its imports.
    started = time.perf_counter()
    sender.close()
    members = list(job.members)
    return _Running(members, process, receiver, job.placement.device, started, share=1 / len(members))


def _wait(running: Sequence[_Running], seconds: float) -> list[_Running]:
    ready = multiprocessing.connection.wait([trial.pipe for trial in running], timeout=seconds)
    return [trial for trial in running if trial.pipe in ready]


def _receive(trial: _Running, observer: RunObserver) -> list[tuple[Job, Result]]:
    """Take one message; return the result that it holds, or failed results if the process died."""
    try:
        kind, content = trial.pipe.recv()
    except (EOFError, OSError):
        _reap(trial)
        ended = [] if trial.told_to_end else [(job, _died(job, trial)) for job in trial.left]
        trial.left.clear()
        return ended
    if kind == "progress":
        trial.phase = content.phase
        for job in trial.left:
            observer.progressed(job, content)
        return []
    arrived = time.perf_counter()
    result, began, ended = content
    name = result.record.trial.fingerprint
    job = next(job for job in trial.left if job.trial.fingerprint == name)
    trial.left.remove(job)
    if not trial.left:
        _reap(trial)
    before, after = max(0.0, began - trial.started), max(0.0, arrived - ended)
    return [(job, _with_all_time(result, before * trial.share, after))]


def _with_all_time(result: Result, before: float, after: float) -> Result:
    """Add the time that a trial's own meter cannot see: before it starts, and after it has ended.

    Processes of one machine share the clock of `time.perf_counter`.
    """
    from whichpeft.engine.meter import with_margins

    found = with_margins(result.record.measurements, before=before, after=after)
    return replace(result, record=replace(result.record, measurements=found))


def _died(job: Job, trial: _Running) -> Result:
    from whichpeft.engine import Result
    from whichpeft.engine.sharded_trial import how_it_ended

    code = trial.process.exitcode
    if code == _PREEMPTED:
        time.sleep(1)  # the signal most likely ends this process too; then no trial has failed
        code = -signal.SIGTERM
    reason = f"its process {how_it_ended(code)}"
    return Result(
        record=Record(
            trial=job.trial,
            setting=Setting(device=trial.device, beside=job.placement.beside),
            outcome=Outcome(status="failed", phase=trial.phase, reason=reason),
        )
    )


def _end(running: Sequence[_Running]) -> None:
    """End trials. Each may finish its step and leave a checkpoint, unless ctrl-C comes a second time.

    A large checkpoint takes minutes: as long as one grows, its trial is waited for.
    """
    for trial in running:
        trial.process.terminate()
    try:
        for trial in running:
            written = -1
            while trial.process.is_alive() and (now := _checkpoint_bytes(trial)) > written:
                written = now
                _discard(trial, _CHECKPOINT_SECONDS)
            _reap(trial, patience=0)
    except BaseException:
        for trial in running:
            trial.process.kill()
        raise


def _discard(trial: _Running, seconds: float) -> None:
    """Wait for a process to end; discard what it sends, since it would wait for a reader."""
    end = time.monotonic() + seconds
    try:
        while trial.pipe.poll(max(0.0, end - time.monotonic())):
            trial.pipe.recv_bytes()
    except (EOFError, OSError):
        trial.process.join(timeout=5)


def _checkpoint_bytes(trial: _Running) -> int:
    """Return how much a trial has written of a checkpoint that is not complete yet."""
    paths = [job.checkpoint for job in trial.left if job.checkpoint is not None]
    return sum(map(bytes_in_progress, paths))


def _reap(trial: _Running, patience: float = 5) -> None:
    """Wait for a process that has sent everything; kill it if it hangs while it ends."""
    trial.process.join(timeout=patience)
    if trial.process.is_alive():
        trial.process.kill()
        trial.process.join()
    trial.pipe.close()


def _carry_out(job: Job, sender: Connection, environment: Mapping[str, str]) -> None:
    """Carry a job out, in the trial's own process."""
    began = time.perf_counter()
    os.environ.update(environment)  # before a library looks for accelerators
    _save_gpu_memory(job.placement.device)
    # ctrl-C reaches every process of the terminal. The process that started the run handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _preempt)
    end_with_parent()
    show_debug_log()
    reported = 0.0

    def report(progress: Progress) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= _REPORT_EVERY:
            reported = now
            sender.send(("progress", progress))

    from whichpeft.engine.carry_out import carry_out_all
    from whichpeft.engine.checkpoint import Preempted

    try:
        for result in carry_out_all(job, report, began=began):
            sender.send(("result", (result, began, time.perf_counter())))
    except BrokenPipeError:
        sys.exit(1)  # the process that started the run has ended; nobody would keep the record
    except Preempted:
        sys.exit(_PREEMPTED)


def _save_gpu_memory(device: str) -> None:
    """Let torch's allocator grow its segments, unless the user has set it up; before CUDA starts.

    Batches of many lengths otherwise leave gaps that no later tensor fits into.
    """
    chosen = any(name in os.environ for name in _ALLOCATOR)
    if device.startswith("cuda") and sys.platform != "win32" and not chosen:
        # torch reads the older name first, and every supported version knows it.
        os.environ[_ALLOCATOR[0]] = "expandable_segments:True"


def _preempt(number: int, frame: FrameType | None) -> None:
    """End after the current step, with a checkpoint, if the trial keeps one; otherwise immediately."""
    from whichpeft.engine.checkpoint import PREEMPTION

    PREEMPTION.requested = True
    if not PREEMPTION.polled:
        raise SystemExit(_PREEMPTED)
