"""Trials on a Ray cluster, whose records the process that started the run writes alone."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import ray

from whichpeft.engine import Job, Result
from whichpeft.executors import ray_worker
from whichpeft.executors.connection import connect, disconnect
from whichpeft.executors.delivery import Delivery
from whichpeft.executors.executor import Resources
from whichpeft.executors.nodes import Node, Nodes, on
from whichpeft.executors.observer import RunObserver
from whichpeft.executors.ray_worker import FinishedJob
from whichpeft.records import Outcome, Record, Setting
from whichpeft.storage.atomic import write_files, write_folder, write_whole
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.engine.compute import Compute

_CARRY_OUT = ray.remote(ray_worker.carry_out)
# In a worker of its own, so that what it takes of a GPU's memory is given back.
_MULTIPLY_SPEED = ray.remote(max_calls=1)(ray_worker.multiply_speed)
_ASK_AGAIN = 0.5  # seconds until jobs are asked for again, where none was ready and none runs
_TELL_EVERY = 1.0  # seconds between two words of one trial
_WORDS = 200  # a second of all trials: a quarter of a core of the actor's (benchmarks/README.md)
_LEAVING = 150.0  # seconds a trial may take to leave a checkpoint: more than its node gives it
_GOING = 2.0  # seconds until Ray knows of a node that is going
_LOSSES = 3  # nodes that may be lost under one trial
_END: Any = object()

# What Ray raises where a node is gone, with what ran there or lay there.
_LOST = (
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.TaskUnschedulableError,  # it went before the task began
)


@dataclass(slots=True)
class _Running:
    """A job on a node. left: its members whose results have not come. phase: the last one heard of.

    concurrent_trials: how many others may be there. begun: the members that the observer knows of.
    """

    job: Job
    node: Node
    task: Any
    left: dict[str, Job]
    concurrent_trials: int
    phase: str | None = None
    begun: set[str] = field(default_factory=set)

    def begin(self, name: str, observer: RunObserver) -> None:
        """Tell the observer that a member runs, once; words of it may overtake each other."""
        if name not in self.begun:
            self.begun.add(name)
            observer.started(self.left[name])


class RayExecutor:
    """Tasks on a Ray cluster: that at ``RAY_ADDRESS``, else one that is started on this machine.

    device: ``auto``, ``cpu`` or ``cuda``. jobs: trials side by side at most.
    """

    def __init__(self, device: str = "auto", jobs: int | None = None) -> None:
        self._asked, self._jobs = device, jobs
        self._connected_here = False
        self._actor: Any = None
        self._delivery = Delivery()

    @property
    def compute(self) -> Compute:
        import torch

        from whichpeft.engine.compute import Compute

        setting = self.setting()
        device = "cuda:0" if setting.device == "cuda" else setting.device
        return Compute(torch.device(device), setting.precision)

    def begin(self, study: Study, families: Sequence[str], like: Iterable[Setting] = ()) -> None:
        self._connected_here = connect() or self._connected_here
        self._nodes = Nodes(self._asked, study, list(like))
        own = ray.get_runtime_context().get_node_id()
        self._actor_class = ray.remote(num_cpus=0, scheduling_strategy=on(own))(ray_worker.ProgressActor)
        self._start_actor()

    def notes(self) -> list[str]:
        return self._nodes.notes

    def setting(self) -> Setting:
        return self._nodes.compared.setting

    def concurrency(self, resources: Resources) -> int:
        room = sum(node.room(resources) for node in self._places(resources))
        return max(1, min(room, self._jobs or room))

    def multiply_speed(self, threads: int) -> float | None:
        node = next(iter(self._nodes.profiling_nodes()), None)
        if node is None:  # it has just gone
            return None
        asked = _MULTIPLY_SPEED.options(**node.options(Resources(alone=True))).remote(
            str(self.compute.device), self.compute.precision, threads
        )
        try:
            return float(ray.get(asked))
        except ray.exceptions.RayError:  # a GPU that others have filled
            return None

    def run(
        self, jobs: Iterable[Job | None], resources: Resources, observer: RunObserver
    ) -> Generator[tuple[Job, Result], None, None]:
        source = iter(jobs)
        again: deque[Job] = deque()
        losses: Counter[str] = Counter()
        running: dict[Any, _Running] = {}
        exhausted, told, ask_after = False, False, 0.0
        try:
            while True:
                for line in self._nodes.look_again():
                    observer.notify(line)
                while (
                    not exhausted
                    and time.monotonic() >= ask_after
                    and (node := self._free(resources, len(running))) is not None
                ):
                    job = again.popleft() if again else next(source, _END)
                    if job is _END:
                        exhausted = True
                    elif job is None:  # nor will one be at the next word of progress
                        ask_after = time.monotonic() + _ASK_AGAIN
                    elif (started := self._start(job, node, resources)) is not None:
                        running[started.task] = started
                    else:  # the node has just gone
                        again.append(job)
                exhausted = exhausted and not again
                if not running and exhausted:
                    return
                if not running:  # what is left waits for something outside this process
                    if not told and not self._places(resources):
                        told = True
                        kind = " of the kind that costs are measured on" if resources.alone else ""
                        observer.notify(f"waiting: there is no node{kind} any more")
                    time.sleep(_ASK_AGAIN)
                    continue
                awaited = [self._words, *running]
                ray.wait(awaited, num_returns=1, timeout=1.0)
                ready, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
                if self._words in ready:
                    self._listen(running.values(), observer)
                for task in [task for task in ready if task in running]:
                    ask_after = 0.0
                    trial = running.pop(task)
                    trial.node.running -= 1
                    for name in trial.left:
                        trial.begin(name, observer)
                    for member, result in self._results(trial, again, losses, observer):
                        observer.finished(member, result)
                        yield member, result
        finally:
            self._end(running.values())

    def close(self) -> None:
        if not ray.is_initialized():
            return
        if self._actor is not None:
            self._delivery.clear_away(self._nodes)
            ray.kill(self._actor)
        if self._connected_here:
            disconnect()

    def _places(self, resources: Resources) -> list[Node]:
        return self._nodes.profiling_nodes() if resources.alone else list(self._nodes)

    def _free(self, resources: Resources, running: int) -> Node | None:
        """Return the node with most room left for one more trial, or None."""
        if self._jobs is not None and running >= self._jobs:
            return None
        places = self._places(resources)
        free = max(places, key=lambda node: node.room(resources) - node.running, default=None)
        return free if free is not None and free.running < free.room(resources) else None

    def _start(self, job: Job, node: Node, resources: Resources) -> _Running | None:
        """Begin a job on a node; None where that is gone."""
        checkpoint = None
        if job.checkpoint is not None and job.checkpoint.is_file():
            checkpoint = job.checkpoint.read_bytes()
        concurrency = self.concurrency(resources)
        concurrent_trials = min(node.room(resources), concurrency) - 1
        try:
            folders = [
                self._delivery.to(node, path, self._nodes)
                for path in (job.backbone.files, job.data.parent)
            ]
        except ray.exceptions.RayError:
            self._nodes.forget(node)
            return None
        carry_out = _CARRY_OUT.options(**node.options(resources))
        every = max(_TELL_EVERY, concurrency / _WORDS)
        job_there = job.placed(str(self.compute.device), concurrent_trials)
        task = carry_out.remote(job_there, *folders, checkpoint, self._actor, every)
        node.running += 1
        return _Running(
            job, node, task, {m.trial.fingerprint: m for m in job.members}, concurrent_trials
        )

    def _results(
        self, trial: _Running, again: deque[Job], losses: Counter[str], observer: RunObserver
    ) -> Iterator[tuple[Job, Result]]:
        """Give what became of a job's members; one whose node was lost is put down to be done again."""
        name = trial.job.trial.fingerprint
        try:
            ended: FinishedJob = ray.get(trial.task)
        except ray.exceptions.RayError as error:
            why = self._why_elsewhere(trial.node, error)
            if why is not None:
                losses[name] += 1
                if losses[name] < _LOSSES:
                    observer.notify(
                        f"node {trial.node.address} {why}; {trial.job.trial.method} is done again"
                    )
                    again.append(trial.job)
                    return
            reason = f"the nodes it was on were lost, {_LOSSES} times" if why else _explain(trial, error)
        else:
            for result, files in ended.results:
                member = trial.left.pop(result.record.trial.fingerprint)
                if member.keep is not None and files:
                    write_folder(member.keep, partial(write_files, files.items()))
                yield member, result
            reason = "it was cancelled"
        for member in trial.left.values():
            setting = replace(trial.node.setting, beside=trial.concurrent_trials)
            outcome = Outcome(status="failed", phase=trial.phase, reason=reason)
            yield member, Result(record=Record(trial=member.trial, setting=setting, outcome=outcome))

    def _why_elsewhere(self, node: Node, error: Exception) -> str | None:
        """Say why a trial that ended in an error is to be done again on another node, or None."""
        lost = isinstance(error, _LOST)
        if isinstance(error, ray.exceptions.WorkerCrashedError):
            time.sleep(_GOING)  # of a node that is shut down the workers go first
            lost = self._nodes.gone(node)
        if lost:
            self._nodes.forget(node)
            return "was lost"
        reason = self._delivery.failed(node)
        if reason is not None:
            node.suits = False
            return f"is left out, since what trials need did not arrive there ({reason})"
        return None

    def _start_actor(self) -> None:
        self._actor = self._actor_class.remote()
        self._words = self._actor.take.remote()

    def _listen(self, running: Iterable[_Running], observer: RunObserver) -> None:
        try:
            words = ray.get(self._words)
        except ray.exceptions.RayError:  # what runs is heard of again when it has ended
            self._start_actor()
            return
        self._words = self._actor.take.remote()
        _hear(words, running, observer)

    def _end(self, running: Collection[_Running]) -> None:
        """End trials: each may finish its step and leave a checkpoint, unless a second ctrl-C comes."""
        if not running:
            return
        try:
            for trial in running:
                ray.cancel(trial.task, force=False)
            tasks = {trial.task: trial for trial in running}
            ready, late = ray.wait([*tasks], num_returns=len(tasks), timeout=_LEAVING)
            for task in ready:
                with contextlib.suppress(ray.exceptions.RayError):
                    _keep_checkpoint(tasks[task].job, ray.get(task).checkpoint)
        except BaseException:
            late = [trial.task for trial in running]
            raise
        finally:
            for task in late:
                ray.cancel(task, force=True)


def _hear(
    words: Iterable[tuple[str, str, Any]], running: Iterable[_Running], observer: RunObserver
) -> None:
    """Pass on what trials told the actor; of those that have ended nothing is wanted any more."""
    trials = {name: trial for trial in running for name in trial.left}
    for name, kind, content in words:
        trial = trials.get(name)
        if trial is None:
            continue
        trial.begin(name, observer)
        if kind == "checkpoint":
            _keep_checkpoint(trial.job, content)
        elif kind == "progress":
            trial.phase = content.phase
            observer.progressed(trial.left[name], content)


def _explain(trial: _Running, error: Exception) -> str:
    """Say in one line why a trial failed of which nothing came back."""
    where = f"node {trial.node.address}"
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"out of memory: {where} had none left, and Ray ended the trial"
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        return f"its worker on {where} was killed"
    return f"on {where}: {' '.join(str(error).split())[-400:]}"


def _keep_checkpoint(job: Job, content: bytes | None) -> None:
    if job.checkpoint is not None and content is not None:
        with contextlib.suppress(OSError):  # a full disk costs the checkpoint, not the trial
            write_whole(job.checkpoint, content)
