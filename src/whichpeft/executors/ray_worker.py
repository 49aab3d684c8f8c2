"""What Ray runs for whichpeft on a node: looks at it, takes folders in, carries trials out.

A Ray worker itself trains nothing. It has a fork server of its own, which has paid the imports, and
carries each trial out in a process forked from that, as a run on one machine does: what a trial costs is
measured in the same way, nothing of one is left over for the next, and one that dies is a fact.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray

from whichpeft.engine import FinalWork, Job, Result
from whichpeft.engine.processes import start_server
from whichpeft.errors import StudyError
from whichpeft.executors.file_bundles import FileBundle, unpack
from whichpeft.executors.observer import SilentObserver
from whichpeft.executors.processes import run_jobs
from whichpeft.records import Setting
from whichpeft.records.claims import this_host


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """What a node is: its host, and what trials would compute on there, or why they cannot."""

    host: str
    setting: Setting = field(default_factory=Setting)
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedJob:
    """What became of a job on a node.

    results: of its members that came to their end, each with its adapter's files where they are to be
    kept. checkpoint: what the trial left, where it was asked to end before.
    """

    results: tuple[tuple[Result, Mapping[str, bytes]], ...] = ()
    checkpoint: bytes | None = None


class ProgressActor:
    """Where trials leave word of how far they are, until the process that started the run asks."""

    def __init__(self) -> None:
        self._words: list[tuple[str, str, Any]] = []
        self._some = asyncio.Event()

    async def post(self, fingerprint: str, kind: str, content: Any = None) -> None:
        """Leave word of a trial: it ``started``, its ``progress``, the bytes of its ``checkpoint``."""
        if kind == "checkpoint":  # one that has not been asked for is out of date
            self._words = [word for word in self._words if word[:2] != (fingerprint, kind)]
        self._words.append((fingerprint, kind, content))
        self._some.set()

    async def take(self) -> list[tuple[str, str, Any]]:
        """Wait until there is some word, and return all of it."""
        await self._some.wait()
        self._some.clear()
        words, self._words = self._words, []
        return words


def describe_node(device: str, precision: str, quantise: str | None) -> NodeInfo:
    """Look at the node that this runs on."""
    from whichpeft.engine.compute import choose_compute, find_devices
    from whichpeft.engine.environment import describe_setting
    from whichpeft.engine.quantise import check_quantising

    try:
        (first, *_) = find_devices(device)
        compute = choose_compute(first, precision)
        check_quantising(quantise, first)
    except StudyError as error:
        return NodeInfo(host=this_host(), error=str(error))
    return NodeInfo(host=this_host(), setting=describe_setting(compute, 0))


def multiply_speed(device: str, precision: str, threads: int) -> float:
    """Measure this node's matrix products, in FLOP/s."""
    import torch

    from whichpeft.costs import measure_matmul
    from whichpeft.engine.compute import Compute

    return measure_matmul(Compute(torch.device(device), precision), threads)


def is_here(bundle: FileBundle) -> bool:
    """Whether this node sees the very files of a bundle."""
    return bundle.is_here()


def deliver(bundle: FileBundle, contents: Sequence[Any]) -> str:
    """Write a bundle to this node's disk; return the folder. contents: references to its files."""
    place = _own_folder() / bundle.name
    unpack(bundle, map(ray.get, contents), place)
    return str(place)


def delete_delivered() -> None:
    """Delete what was delivered to this node for this run."""
    shutil.rmtree(_own_folder(), ignore_errors=True)


def carry_out(
    job: Job, backbone: str, data: str, checkpoint: bytes | None, actor: Any, every: float
) -> FinishedJob:
    """Carry a job out on this node.

    backbone, data: folders here. checkpoint: of the trial, to go on from. every: seconds between two
    words to the actor. Where it is cancelled, its process may finish the step that it is at and leave a
    checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch:
        job = _moved(job, Path(backbone), Path(data) / job.data.name, Path(scratch))
        if checkpoint is not None and job.checkpoint is not None:
            job.checkpoint.write_bytes(checkpoint)
        ended = []
        try:
            start_server([job.backbone.family])
            relay, given = _Relay(actor, job, every), _accelerators()
            running = run_jobs(
                [job],
                [job.placement.device],
                relay,
                concurrent_trials=job.placement.concurrent_trials,
                environment=given,
            )
            with contextlib.closing(running) as found:
                for member, result in found:
                    ended.append((result, _files(member.keep)))
        except KeyboardInterrupt:
            return FinishedJob(results=tuple(ended), checkpoint=_read(job.checkpoint))
        return FinishedJob(results=tuple(ended))


class _Relay(SilentObserver):
    """Tells the actor of a trial, now and then, and of its checkpoint as soon as there is a new one."""

    def __init__(self, actor: Any, job: Job, every: float) -> None:
        self._actor, self._checkpoint, self._every = actor, job.checkpoint, every
        self._told: dict[str, float] = {}
        self._written: int | None = _written(job.checkpoint)

    def started(self, job: Job) -> None:
        self._actor.post.remote(job.trial.fingerprint, "started")

    def progressed(self, job: Job, progress: Any) -> None:
        name = job.trial.fingerprint
        written = _written(self._checkpoint)
        if written != self._written:
            self._written = written
            self._actor.post.remote(name, "checkpoint", _read(self._checkpoint))
        if time.monotonic() - self._told.get(name, 0.0) >= self._every:
            self._told[name] = time.monotonic()
            self._actor.post.remote(name, "progress", progress)


def _moved(job: Job, backbone: Path, data: Path, scratch: Path) -> Job:
    """Return a job with all its paths on this node."""
    moved = replace(
        job,
        backbone=replace(job.backbone, folder=backbone),
        data=data,
        checkpoint=scratch / "checkpoint" if job.checkpoint is not None else None,
        stacked_with=tuple(_moved(other, backbone, data, scratch) for other in job.stacked_with),
    )
    if isinstance(job.work, FinalWork) and job.work.keep is not None:
        moved = replace(moved, work=FinalWork(keep=scratch / job.trial.fingerprint))
    return moved


def _accelerators() -> dict[str, str]:
    """Return the variable by which Ray says which GPUs are this task's.

    A fork server keeps the one that it was started with, so each trial's process is told anew.
    """
    given = ray.get_gpu_ids()
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, given))} if given else {}


def _own_folder() -> Path:
    """Return where this run's folders lie on this node, which nobody else may write to."""
    job = ray.get_runtime_context().get_job_id()
    node = ray.get_runtime_context().get_node_id()  # several may share a machine
    user = os.getuid() if hasattr(os, "getuid") else 0
    own = Path(tempfile.gettempdir(), f"whichpeft-ray-{user}")
    own.mkdir(mode=0o700, exist_ok=True)
    if own.stat().st_uid != user:
        raise PermissionError(f"{own} belongs to another user")
    return own / f"{job}-{node[:12]}"


def _files(folder: Path | None) -> dict[str, bytes]:
    if folder is None or not folder.is_dir():
        return {}
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _read(file: Path | None) -> bytes | None:
    return file.read_bytes() if file is not None and file.is_file() else None


def _written(file: Path | None) -> int | None:
    return file.stat().st_mtime_ns if file is not None and file.is_file() else None
