"""What Ray runs for whichpeft on a node: describes it, receives folders, carries out trials.

A Ray worker does not train. It has its own fork server, which has done the imports, and carries out each
trial in a process forked from it, as a run on one machine does. So costs are measured in the same way, a
trial leaves nothing behind for the next, and a trial that dies does not take the worker with it.
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
from typing import TYPE_CHECKING

import ray

from whichpeft.engine import FinalWork, Job, Progress, Result, ScreenWork
from whichpeft.engine.fork_server import start_server
from whichpeft.errors import StudyError
from whichpeft.executors.file_bundles import FileBundle, unpack
from whichpeft.executors.observer import SilentObserver
from whichpeft.executors.trial_processes import run_jobs
from whichpeft.records import Setting
from whichpeft.records.claims import this_host

if TYPE_CHECKING:
    from ray.actor import ActorHandle

Message = tuple[str, str, Progress | bytes | None]
"""The fingerprint of a trial, the kind of the message and its content; see `ProgressActor.post`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """What a node reports of itself."""

    host: str
    """Its host, which nodes may share."""
    setting: Setting = field(default_factory=Setting)
    """The hardware and the versions that trials would run with."""
    error: str | None = None
    """Why trials cannot run on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedJob:
    """What came of a job on a node."""

    results: tuple[tuple[Result, Mapping[str, bytes]], ...] = ()
    """Results of its members that finished, each with the files of its adapter if that is kept."""
    checkpoint: bytes | None = None
    """The checkpoint of a trial that was ended before, or of a screening trial."""


class ProgressActor:
    """Collects messages of running trials until the process that started the run takes them."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._arrived = asyncio.Event()

    async def post(self, fingerprint: str, kind: str, content: Progress | bytes | None = None) -> None:
        """Add a trial's message: ``started``, its ``progress``, or the bytes of its ``checkpoint``."""
        if kind == "checkpoint":  # replaces an earlier one that has not been taken
            self._messages = [m for m in self._messages if m[:2] != (fingerprint, kind)]
        self._messages.append((fingerprint, kind, content))
        self._arrived.set()

    async def take(self) -> list[Message]:
        """Wait until there are messages, and return all of them."""
        await self._arrived.wait()
        self._arrived.clear()
        messages, self._messages = self._messages, []
        return messages


def describe_node(device: str, precision: str, quantise: str | None, attention: str) -> NodeInfo:
    """Describe the node that this runs on."""
    from whichpeft.backbones.attention import check_attention
    from whichpeft.backbones.quantisation import check_quantising
    from whichpeft.engine.compute import choose_compute, find_devices
    from whichpeft.engine.environment import describe_setting

    try:
        (first, *others) = find_devices(device)
        compute = choose_compute(first, precision, others=others)
        check_quantising(quantise, first)
        check_attention(attention, first, compute.precision)
    except StudyError as error:
        return NodeInfo(host=this_host(), error=str(error))
    return NodeInfo(host=this_host(), setting=describe_setting(compute, 0))


def multiply_speed(device: str, precision: str, threads: int) -> float:
    """Measure the speed of matrix products on this node, in FLOP/s."""
    import torch

    from whichpeft.costs import measure_matmul
    from whichpeft.engine.compute import Compute

    return measure_matmul(Compute(torch.device(device), precision), threads)


def is_here(bundle: FileBundle) -> bool:
    """Whether this node sees the very same files as a bundle holds."""
    return bundle.is_here()


def deliver(bundle: FileBundle, contents: Sequence[ray.ObjectRef]) -> str:
    """Write a bundle to this node's disk and return its folder; `contents` refer to its files."""
    place = _own_folder() / bundle.name
    unpack(bundle, map(ray.get, contents), place)
    return str(place)


def clear_away() -> None:
    """Delete what was delivered to this node for this run."""
    shutil.rmtree(_own_folder(), ignore_errors=True)


def carry_out(
    job: Job, backbone: str, data: str, checkpoint: bytes | None, actor: ActorHandle, every: float
) -> FinishedJob:
    """Carry out a job on this node. If it is cancelled, its process may first leave a checkpoint.

    Parameters
    ----------
    backbone, data
        Folders on this node.
    checkpoint
        The checkpoint to resume from, if any.
    actor
        The ProgressActor.
    every
        Seconds between two messages to the actor.
    """
    with tempfile.TemporaryDirectory(prefix="whichpeft-") as scratch:
        job = _moved(job, Path(backbone), Path(data) / job.data.name, Path(scratch))
        if checkpoint is not None and job.checkpoint is not None:
            job.checkpoint.write_bytes(checkpoint)
        ended = []
        try:
            start_server([job.backbone.family])
            relay, gpus = _Relay(actor, job, every), _accelerators()
            running = run_jobs(
                [job],
                [job.placement.device],
                relay,
                concurrent_trials=job.placement.concurrent_trials,
                environment=gpus,
            )
            with contextlib.closing(running) as found:
                for member, result in found:
                    ended.append((result, _files(member.keep)))
        except KeyboardInterrupt:
            return FinishedJob(results=tuple(ended), checkpoint=_read(job.checkpoint))
        screened = isinstance(job.work, ScreenWork)
        return FinishedJob(results=tuple(ended), checkpoint=_read(job.checkpoint) if screened else None)


class _Relay(SilentObserver):
    """Posts a trial's progress to the actor from time to time, and each new checkpoint immediately."""

    def __init__(self, actor: ActorHandle, job: Job, every: float) -> None:
        self._actor, self._checkpoint, self._every = actor, job.checkpoint, every
        self._posted: dict[str, float] = {}
        self._written: int | None = _written(job.checkpoint)

    def started(self, job: Job) -> None:
        self._actor.post.remote(job.trial.fingerprint, "started")

    def progressed(self, job: Job, progress: Progress) -> None:
        name = job.trial.fingerprint
        written = _written(self._checkpoint)
        if written != self._written:
            self._written = written
            self._actor.post.remote(name, "checkpoint", _read(self._checkpoint))
        if time.monotonic() - self._posted.get(name, 0.0) >= self._every:
            self._posted[name] = time.monotonic()
            self._actor.post.remote(name, "progress", progress)


def _moved(job: Job, backbone: Path, data: Path, scratch: Path) -> Job:
    """Return a job whose paths are all on this node."""
    moved = replace(
        job,
        backbone=replace(job.backbone, folder=backbone),
        data=data,
        checkpoint=scratch / "checkpoint" if job.checkpoint is not None else None,
        stacked_with=tuple(_moved(other, backbone, data, scratch) for other in job.stacked_with),
    )
    if job.keep is not None:
        moved = replace(moved, work=FinalWork(keep=scratch / job.trial.fingerprint))
    return moved


def _accelerators() -> dict[str, str]:
    """Return the environment variable that names the GPUs Ray has given to this task.

    The fork server keeps the value that it was started with, so each trial's process needs its own.
    """
    ids = ray.get_gpu_ids()
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, ids))} if ids else {}


def _own_folder() -> Path:
    """Return the folder of this run on this node, which no other user can write to."""
    job = ray.get_runtime_context().get_job_id()
    node = ray.get_runtime_context().get_node_id()  # several nodes may share a machine
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
