"""Trials as processes on one machine, forked from a server that has paid the imports.

A trial's process gets its job through a pipe and sends back progress and a result. The server
only imports, and starts threads in no child's way; where there is no safe fork (macOS, Windows)
each trial's process starts afresh.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from whichpeft.engine.processes import beginning, end_with_parent, start_context
from whichpeft.executors.observer import RunObserver
from whichpeft.records import Outcome, Record, Setting

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from whichpeft.engine import Job, Result

_TELL_EVERY = 0.2  # seconds between two reports of one trial
_ASK_AGAIN = 0.5  # seconds until jobs are asked for again, where none was ready and none runs
_LEAVING = 120.0  # seconds a trial may take to finish its step and leave a checkpoint
_PREEMPTED = 75  # exit code of a trial's process that was asked to end
_END: Any = object()


@dataclass(slots=True)
class _Running:
    """A process. left: the jobs whose results have not come: one, or several that train together."""

    left: list[Job]
    process: BaseProcess
    pipe: Connection
    device: str
    started: float
    share: float  # of the process's own time, that each of its trials counts
    phase: str | None = None


def run_jobs(
    jobs: Iterable[Job | None],
    devices: Sequence[str],
    observer: RunObserver,
    *,
    concurrent_trials: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[tuple[Job, Result], None, None]:
    """Run jobs, as many side by side as there are devices (a CPU may be listed several times).

    concurrent_trials: how many other trials may run on the same machine, if these are not all.
    environment: variables that the trials' processes get. Otherwise as `Executor.run`.
    """
    source = iter(jobs)
    free = list(devices)
    running: list[_Running] = []
    if concurrent_trials is None:
        concurrent_trials = len(free) - 1
    exhausted = False
    try:
        while True:
            while free and not exhausted:
                job = next(source, _END)
                if job is _END:
                    exhausted = True
                elif job is None:
                    break
                else:
                    running.append(_start(job, free.pop(0), concurrent_trials, environment or {}))
                    for member in running[-1].left:
                        observer.started(member)
            if not running and exhausted:
                return
            if not running:  # what is left waits for something outside this process
                time.sleep(_ASK_AGAIN)
                continue
            for trial in _wait(running):
                ended = _receive(trial, observer)
                if not trial.left:
                    running.remove(trial)
                    free.append(trial.device)
                for member, result in ended:
                    observer.finished(member, result)
                    yield member, result
    finally:
        _end(running)


def _start(job: Job, device: str, concurrent_trials: int, environment: Mapping[str, str]) -> _Running:
    job = job.placed(device, concurrent_trials)
    receiver, sender = start_context().Pipe(duplex=False)
    # A sharded trial starts processes of its own, which a daemon may not.
    process = start_context().Process(
        target=_carry_out, args=(job, sender, environment), daemon=job.trial.conditions.shards == 1
    )
    with beginning():
        process.start()
    # Now, not before: a fork server that still imports lets the first process wait to be born.
    started = time.perf_counter()
    sender.close()
    return _Running(list(job.members), process, receiver, device, started, share=1 / len(job.members))


def _wait(running: Sequence[_Running]) -> list[_Running]:
    ready = multiprocessing.connection.wait([trial.pipe for trial in running], timeout=1.0)
    return [trial for trial in running if trial.pipe in ready]


def _receive(trial: _Running, observer: RunObserver) -> list[tuple[Job, Result]]:
    """Take one message; return the result if that was one, or failed ones if the process died."""
    try:
        kind, content = trial.pipe.recv()
    except (EOFError, OSError):
        _reap(trial)
        ended = [(job, _died(job, trial)) for job in trial.left]
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
    """Count what the trial's own meter could not see: its process's start, and the result's way here.

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
        time.sleep(1)  # whoever ended it most likely ends this process too, and then nothing failed
        code = -signal.SIGTERM
    reason = f"its process {how_it_ended(code)}"
    return Result(
        record=Record(
            trial=job.trial,
            setting=Setting(device=trial.device, beside=job.placement.concurrent_trials),
            outcome=Outcome(status="failed", phase=trial.phase, reason=reason),
        )
    )


def _end(running: Sequence[_Running]) -> None:
    """End trials: each may finish its step and leave a checkpoint, unless a second ctrl-C comes."""
    for trial in running:
        trial.process.terminate()
    try:
        for trial in running:
            _reap(trial, patience=_LEAVING)
    except BaseException:
        for trial in running:
            trial.process.kill()
        raise


def _reap(trial: _Running, patience: float = 5) -> None:
    """Wait for a process that has no more to say; one that hangs on its way out is killed."""
    trial.process.join(timeout=patience)
    if trial.process.is_alive():
        trial.process.kill()
        trial.process.join()
    trial.pipe.close()


def _carry_out(job: Job, sender: Connection, environment: Mapping[str, str]) -> None:
    """Run in the trial's own process."""
    began = time.perf_counter()
    os.environ.update(environment)  # before a library looks for accelerators
    # ctrl-C reaches every process of the terminal; the one that started the run decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _preempt)
    end_with_parent()
    told = 0.0

    def report(progress: Any) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _TELL_EVERY:
            told = now
            sender.send(("progress", progress))

    from whichpeft.engine.carry_out import carry_out_all
    from whichpeft.engine.checkpoint import Preempted

    try:
        for result in carry_out_all(job, report, began=began):
            sender.send(("result", (result, began, time.perf_counter())))
    except BrokenPipeError:
        sys.exit(1)  # whoever started the run is gone; nobody would keep the record
    except Preempted:
        sys.exit(_PREEMPTED)


def _preempt(number: int, frame: Any) -> None:
    """End at the next step, with a checkpoint, where there is one to be left; else now."""
    from whichpeft.engine.checkpoint import PREEMPTION

    PREEMPTION.requested = True
    if not PREEMPTION.polled:
        raise SystemExit(_PREEMPTED)
