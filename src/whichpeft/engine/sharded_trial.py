"""The processes of one sharded trial: starts them, follows them, and ends them together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from whichpeft.engine.fork_server import beginning, start_context, start_server
from whichpeft.engine.job import Job, Progress, ReportProgress, Result
from whichpeft.engine.meter import Meter
from whichpeft.engine.process_group import Group, joined
from whichpeft.engine.trial import carry_out_alone, failed, setting_of
from whichpeft.errors import show_debug_log
from whichpeft.records import Outcome, Record

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from types import FrameType


@dataclass(slots=True)
class _Rank:
    process: BaseProcess
    pipe: Connection
    result: Result | None = None


def carry_out_sharded(job: Job, report: ReportProgress) -> Result:
    """Carry out a trial in one process per shard; the first process's result is that of the trial.

    If one process fails or dies, the trial fails for the same reason. All processes are ended.
    """
    phase: str | None = None

    def follow(progress: Progress) -> None:
        nonlocal phase
        phase = progress.phase
        report(progress)

    with tempfile.TemporaryDirectory(prefix="whichpeft-") as folder, _exits_on_terminate():
        ranks = _start(job, Path(folder) / "meeting")
        try:
            while ranks[0].result is None:
                for rank in _heard(ranks):
                    failed = _listen(ranks, rank, follow)
                    if failed is not None:
                        return _failed(job, phase, failed) if isinstance(failed, str) else failed
            return ranks[0].result
        finally:
            _end(ranks)


def _start(job: Job, meeting: Path) -> list[_Rank]:
    start_server([job.backbone.family])
    context = start_context()
    ranks = []
    for rank in range(job.trial.conditions.shards):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_be_rank, args=(job, rank, meeting, sender), daemon=True)
        with beginning():
            process.start()
        sender.close()
        ranks.append(_Rank(process, receiver))
    return ranks


def _heard(ranks: Sequence[_Rank]) -> list[_Rank]:
    waiting = [rank for rank in ranks if rank.result is None]
    ready = multiprocessing.connection.wait([rank.pipe for rank in waiting])
    return [rank for rank in waiting if rank.pipe in ready]


def _listen(ranks: Sequence[_Rank], rank: _Rank, follow: ReportProgress) -> Result | str | None:
    """Receive one message; return the failure of the trial if the message means one, or None."""
    try:
        content = rank.pipe.recv()
    except (EOFError, OSError):
        rank.process.join(timeout=5)
        return _how_one_ended(ranks, rank)
    if isinstance(content, Progress):
        follow(content)
        return None
    rank.result = content
    if content.record.outcome.status != "failed":
        return None
    # If several fail together, one that was killed is the cause; the others lost their connection to it.
    for other in ranks:
        other.process.join(timeout=0 if other is rank else 1)
        if (other.process.exitcode or 0) < 0:
            return _how_one_ended(ranks, other)
    return rank.result


def _how_one_ended(ranks: Sequence[_Rank], rank: _Rank) -> str:
    return f"process {ranks.index(rank)} of {len(ranks)} {how_it_ended(rank.process.exitcode)}"


def how_it_ended(code: int | None) -> str:
    """Describe the end of a process that gave no result."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = "; the system kills processes when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def _failed(job: Job, phase: str | None, reason: str) -> Result:
    outcome = Outcome(status="failed", phase=phase, reason=reason)
    setting = setting_of(job)
    return Result(record=Record(trial=job.trial, setting=setting, outcome=outcome))


def _end(ranks: Sequence[_Rank]) -> None:
    """End the processes that still run: one that waits for a dead one would wait for ever."""
    for rank in ranks:
        if rank.result is not None:
            rank.process.join(timeout=5)
        rank.process.kill()
    for rank in ranks:
        rank.process.join()
        rank.pipe.close()


@contextmanager
def _exits_on_terminate() -> Iterator[None]:
    """Exit in an orderly way if this process is asked to end, so that the ranks are ended too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(1)


def _be_rank(job: Job, rank: int, meeting: Path, sender: Connection) -> None:
    """Run in a rank's own process."""
    show_debug_log()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def report(progress: Progress) -> None:
        if rank == 0:
            sender.send(progress)

    torch.set_num_threads(job.trial.conditions.threads)
    device = Group(rank, job.trial.conditions.shards).device(job.placement.device)
    try:
        with joined(rank, job.trial.conditions.shards, torch.device(device), meeting) as group:
            result = carry_out_alone(job, report, group)
            sender.send(result)
            if result.record.outcome.status == "failed":
                os._exit(0)  # an orderly exit waits for the others, which may wait for this one
    except Exception as error:  # the processes could not connect
        sender.send(failed(job, setting_of(job), error, Meter()))
        os._exit(0)


def _die_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
