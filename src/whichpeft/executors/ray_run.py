"""Jobs on a Ray cluster: started when a node has room, followed, and rescheduled if a node is lost."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import ray

from whichpeft.engine import Job, Progress, Result
from whichpeft.executors import ray_worker
from whichpeft.executors.delivery import Delivery
from whichpeft.executors.executor import Resources
from whichpeft.executors.nodes import Node, Nodes
from whichpeft.executors.observer import RunObserver
from whichpeft.executors.progress_feed import ProgressFeed
from whichpeft.executors.ray_worker import FinishedJob, Message
from whichpeft.records import Outcome, Record
from whichpeft.storage.atomic import write_files, write_folder, write_whole

_logger = logging.getLogger(__name__)

_CARRY_OUT = ray.remote(ray_worker.carry_out)
_ASK_AGAIN = 0.5  # seconds until jobs are asked for again, if none was ready
_REPORT_EVERY = 1.0  # seconds between two messages of one trial, at least
_MESSAGES = 200  # per second from all trials: a quarter of the actor's core (benchmarks/README.md)
_CHECKPOINT_SECONDS = 150.0  # that a trial may take to leave a checkpoint: more than its node gives it
_LATE_SECONDS = 5.0  # the same if the time for all trials is over
_LOSS_SECONDS = 2.0  # until Ray knows that a node is being lost
_MAX_LOSSES = 3  # nodes that may be lost under one trial
_END: Any = object()

# What Ray raises if a node was lost, along with what ran or was stored on it.
_LOST = (
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.TaskUnschedulableError,  # it was lost before the task began
)


@dataclass(slots=True)
class _Running:
    """A job on a node."""

    job: Job
    node: Node
    task: ray.ObjectRef
    """Ray's reference to its result."""
    left: dict[str, Job]
    """Its members whose results have not come, by fingerprint."""
    phase: str | None = None
    """The last phase that it reported."""
    begun: set[str] = field(default_factory=set)
    """Fingerprints of the members that the observer knows to have started."""

    def begin(self, name: str, observer: RunObserver) -> None:
        """Report once that a member has started; its messages may overtake one another."""
        if name not in self.begun:
            self.begun.add(name)
            observer.started(self.left[name])


class RayRun:
    """One call of `RayExecutor.run`.

    Parameters
    ----------
    device
        The device of every trial, as torch names it.
    limit
        The most trials to run side by side, or None for as many as fit.
    until
        As for `Executor.run`.
    """

    def __init__(
        self,
        jobs: Iterable[Job | None],
        resources: Resources,
        observer: RunObserver,
        *,
        device: str,
        limit: int | None,
        nodes: Nodes,
        delivery: Delivery,
        feed: ProgressFeed,
        until: float | None = None,
    ) -> None:
        self._source, self._resources, self._observer = iter(jobs), resources, observer
        self._device, self._limit, self._until = device, limit, until
        self._nodes, self._delivery, self._feed = nodes, delivery, feed
        self._running: dict[ray.ObjectRef, _Running] = {}
        self._again: deque[Job] = deque()
        self._losses: Counter[str] = Counter()
        self._exhausted = self._reported_waiting = False
        self._ask_after = 0.0

    def results(self) -> Generator[tuple[Job, Result], None, None]:
        """Carry the jobs out; yield each member of a job with its result as it ends."""
        try:
            while True:
                if self._until is not None and time.monotonic() >= self._until:
                    yield from self._last_results()
                    return
                for line in self._nodes.look_again():
                    self._observer.notify(line)
                self._start_jobs()
                if self._running:
                    for trial in self._wait():
                        for member, result in self._results_of(trial):
                            self._observer.finished(member, result)
                            yield member, result
                elif self._exhausted:
                    return
                else:
                    self._wait_for_others()
        finally:
            self._end()

    def _start_jobs(self) -> None:
        """Start jobs while nodes have room and jobs are ready."""
        while (
            not self._exhausted
            and time.monotonic() >= self._ask_after
            and (node := self._free_node()) is not None
        ):
            job = self._again.popleft() if self._again else next(self._source, _END)
            if job is _END:
                self._exhausted = True
            elif job is None:  # none will be ready at the next message either
                self._ask_after = time.monotonic() + _ASK_AGAIN
            elif (started := self._start(job, node)) is not None:
                self._running[started.task] = started
            else:  # the node has just been lost
                self._again.append(job)
        self._exhausted = self._exhausted and not self._again

    def _free_node(self) -> Node | None:
        """Return the node with the most room for another trial, or None."""
        if self._limit is not None and len(self._running) >= self._limit:
            return None
        nodes = self._nodes.able(self._resources)
        free = max(nodes, key=lambda node: node.room(self._resources) - node.running, default=None)
        return free if free is not None and free.running < free.room(self._resources) else None

    def _start(self, job: Job, node: Node) -> _Running | None:
        """Start a job on a node; return None if the node has been lost."""
        checkpoint = None
        if job.checkpoint is not None and job.checkpoint.is_file():
            checkpoint = job.checkpoint.read_bytes()
        concurrency = self._nodes.concurrency(self._resources, self._limit)
        others = min(node.room(self._resources), concurrency) - 1
        try:
            folders = [
                self._delivery.to(node, path, self._nodes)
                for path in (job.backbone.files, job.data.parent)
            ]
        except ray.exceptions.RayError:
            _logger.debug("node %s was lost before a trial began", node.address, exc_info=True)
            self._nodes.forget(node)
            return None
        job = job.placed(self._device, others)
        task = _CARRY_OUT.options(**node.options(self._resources)).remote(
            job,
            *folders,
            checkpoint,
            self._feed.actor,
            max(_REPORT_EVERY, concurrency / _MESSAGES),
        )
        node.running += 1
        return _Running(job, node, task, {m.trial.fingerprint: m for m in job.members})

    def _wait_for_others(self) -> None:
        """Wait for something outside this process: a node, or a trial of another process."""
        if not self._reported_waiting and not self._nodes.able(self._resources):
            self._reported_waiting = True
            kind = "of the type used for profiling" if self._resources.alone else "for trials"
            self._observer.notify(f"waiting: the cluster has no node {kind}")
        time.sleep(_ASK_AGAIN)

    def _wait(self) -> Iterator[_Running]:
        """Wait for messages and results, at most a second; yield the jobs that have ended."""
        awaited = [self._feed.pending, *self._running]
        left = 1.0 if self._until is None else min(1.0, max(0.0, self._until - time.monotonic()))
        ray.wait(awaited, num_returns=1, timeout=left)
        ready, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
        if self._feed.pending in ready:
            self._pass_on(self._feed.take())
        for task in [task for task in ready if task in self._running]:
            self._ask_after = 0.0
            trial = self._running.pop(task)
            trial.node.running -= 1
            for name in trial.left:
                trial.begin(name, self._observer)
            yield trial

    def _pass_on(self, messages: Iterable[Message]) -> None:
        """Pass messages on to the observer, except those of trials that have ended."""
        trials = {name: trial for trial in self._running.values() for name in trial.left}
        for name, kind, content in messages:
            trial = trials.get(name)
            if trial is None:
                continue
            trial.begin(name, self._observer)
            if isinstance(content, Progress):
                trial.phase = content.phase
                self._observer.progressed(trial.left[name], content)
            elif kind == "checkpoint":
                _keep_checkpoint(trial.job, content)

    def _results_of(self, trial: _Running) -> Iterator[tuple[Job, Result]]:
        """Yield the results of a job's members; schedule the job again if its node was lost."""
        name = trial.job.trial.fingerprint
        try:
            ended: FinishedJob = ray.get(trial.task)
        except ray.exceptions.RayError as error:
            why = self._why_elsewhere(trial.node, error)
            if why is not None:
                self._losses[name] += 1
                if self._losses[name] < _MAX_LOSSES:
                    again = f"rescheduling {trial.job.trial.method}"
                    self._observer.notify(f"node {trial.node.address} {why}; {again}")
                    self._again.append(trial.job)
                    return
            reason = f"{_MAX_LOSSES} nodes were lost while it ran" if why else _explain(trial, error)
        else:
            # Before its record: a screening trial's checkpoint is what the next one resumes from.
            _keep_checkpoint(trial.job, ended.checkpoint)
            yield from _finished(trial, ended)
            reason = "it was cancelled"
        for member in trial.left.values():
            setting = replace(trial.node.setting, beside=trial.job.placement.beside)
            outcome = Outcome(status="failed", phase=trial.phase, reason=reason)
            yield member, Result(record=Record(trial=member.trial, setting=setting, outcome=outcome))

    def _why_elsewhere(self, node: Node, error: Exception) -> str | None:
        """Return why a trial that ended in an error should run on another node, or None."""
        lost = isinstance(error, _LOST)
        if isinstance(error, ray.exceptions.WorkerCrashedError):
            time.sleep(_LOSS_SECONDS)  # if a node is shut down, its workers end first
            lost = self._nodes.gone(node)
        if lost:
            self._nodes.forget(node)
            return "was lost"
        reason = self._delivery.failed(node)
        if reason is not None:
            node.usable = False
            return f"is left out, because files could not be delivered to it ({reason})"
        return None

    def _last_results(self) -> Iterator[tuple[Job, Result]]:
        """End what still runs, because its time is over; yield the results of what has finished."""
        for trial, ended in self._cancel(_LATE_SECONDS):
            for member, result in _finished(trial, ended):
                self._observer.finished(member, result)
                yield member, result

    def _end(self) -> None:
        """End what still runs.

        A trial may finish its step and leave a checkpoint, unless ctrl-C comes a second time.
        """
        self._cancel(_CHECKPOINT_SECONDS)

    def _cancel(self, seconds: float) -> list[tuple[_Running, FinishedJob]]:
        """Cancel what still runs, by force after some seconds, and keep the checkpoints that it leaves.

        Returns what has ended in this time.
        """
        tasks = dict(self._running)
        self._running.clear()
        if not tasks:
            return []
        found, late = [], list(tasks)
        try:
            for task in tasks:
                ray.cancel(task, force=False)
            ready, late = ray.wait([*tasks], num_returns=len(tasks), timeout=seconds)
            for task in ready:
                with contextlib.suppress(ray.exceptions.RayError):
                    ended: FinishedJob = ray.get(task)
                    _keep_checkpoint(tasks[task].job, ended.checkpoint)
                    found.append((tasks[task], ended))
        except BaseException:
            late = list(tasks)
            raise
        finally:
            for task in late:
                ray.cancel(task, force=True)
            for trial in tasks.values():
                trial.node.running -= 1
        return found


def _finished(trial: _Running, ended: FinishedJob) -> Iterator[tuple[Job, Result]]:
    """Yield the members of a job that have results, and write the adapters that are kept."""
    for result, files in ended.results:
        member = trial.left.pop(result.record.trial.fingerprint)
        if member.keep is not None and files:
            write_folder(member.keep, partial(write_files, files.items()))
        yield member, result


def _explain(trial: _Running, error: Exception) -> str:
    """Return in one line why a trial failed that sent no result."""
    node = f"node {trial.node.address}"
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"out of memory: {node} had none left, and Ray ended the trial"
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        return f"its worker on {node} was killed"
    return f"on {node}: {' '.join(str(error).split())[-400:]}"


def _keep_checkpoint(job: Job, content: bytes | None) -> None:
    if job.checkpoint is not None and content is not None:
        with contextlib.suppress(OSError):  # a full disk costs the checkpoint, not the trial
            write_whole(job.checkpoint, content)
