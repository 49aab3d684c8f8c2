"""The setup of a run: backbones found, data encoded, everything planned, and what it should cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import CostQuery, count_flops
from whichpeft.engine import Job
from whichpeft.engine.batches import as_trained_on, padded_length
from whichpeft.engine.profile_budget import ProfileBudget
from whichpeft.executors import Executor, Resources
from whichpeft.planning import Cell, StudyPlan, make_plan
from whichpeft.records import Record
from whichpeft.running.request import Request
from whichpeft.study import Study, Trial
from whichpeft.tasks.encoded_data import read_data, write_data

# What a trial costs beside its steps, until trials have been timed: loading and evaluation.
_SET_UP_SECONDS = 1.0
# Of a training step, that evaluating the same examples takes where it is not timed.
_FORWARD_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What is to run: the plan, each cell's encoded data, where it runs, and notes to show.

    halve_micro_batch: try a trial that ran out of memory again with half as many examples at once.
    """

    plan: StudyPlan
    data: dict[tuple[str, str, str], Path]
    executor: Executor
    notes: list[str]
    halve_micro_batch: bool = False


def set_up(request: Request, scratch: Path, executor: Executor) -> RunSetup:
    """Find the backbones, encode the data and plan; begins the executor. Raises RequestError."""
    backbones = [resolve_backbone(name) for name in request.study.backbones]
    executor.begin(
        request.study,
        [backbone.family for backbone in backbones],
        like=(
            found.setting
            for found in request.store.each()
            if isinstance(found, Record) and found.trial.purpose == "profile"
        ),
    )
    notes = [*executor.notes(), *(f"{task.name}: {n}" for task in request.tasks for n in task.notes)]
    data = {}
    for backbone in backbones:
        for task in request.tasks:
            key = backbone.name, backbone.revision, task.name
            data[key], cut = write_data(task, backbone, request.study.budget, scratch)
            if cut:
                notes.append(f"{task.name}: {cut:.1%} of the examples are cut to what {key[0]} can read")
    plan = make_plan(request.study, backbones, request.tasks, request.methods)
    return RunSetup(plan, data, executor, notes)


def make_job(trial: Trial, cell: Cell, setup: RunSetup) -> Job:
    """Put together what carries a trial out."""
    return Job(
        trial=trial,
        backbone=cell.backbone,
        method=cell.method,
        data=setup.data[cell.backbone.name, cell.backbone.revision, cell.task.name],
        device=str(setup.executor.compute.device),
        halve=setup.halve_micro_batch,
    )


def resources_for(study: Study, *, memory: int = 0, alone: bool = False) -> Resources:
    """Return what a trial of a study takes. memory: bytes of its process, by what was profiled."""
    return Resources(threads=study.threads, shards=study.shards, memory=memory, alone=alone)


def profile_jobs(
    cells: Sequence[Cell],
    setup: RunSetup,
    profile_budget: ProfileBudget,
    together: Callable[[Cell], int],
) -> Iterator[Job]:
    """Yield the jobs that measure what cells cost, to be run alone on the machine.

    together: how many trials of a cell should be timed as one model.
    What is measured once for all is measured before the first, and what is counted is counted for each
    when its turn has come, so that nothing runs beside a profile.
    """
    matmul_speed: float | None = None
    lengths: dict[Path, int] = {}
    for cell in cells:
        job = make_job(cell.profile, cell, setup)
        budget = cell.study.budget
        if matmul_speed is None:
            matmul_speed = setup.executor.multiply_speed(cell.study.threads)
        if job.data not in lengths:
            task, examples = read_data(job.data)
            train = as_trained_on(task, examples["train"], packing=cell.study.packing)
            lengths[job.data] = padded_length(train, budget.batch_size)
        query = CostQuery(
            method=cell.method,
            backbone=cell.backbone,
            task=cell.task,
            compute=setup.executor.compute,
            batch_size=budget.batch_size,
            length=lengths[job.data],
            same_targets=cell.study.same_targets,
        )
        yield replace(
            job,
            profile_budget=profile_budget,
            flops_per_sample=count_flops(query),
            matmul_speed=matmul_speed,
            together=together(cell),
        )


def expected_costs(cells: Iterable[Cell], records: Iterable[Record]) -> tuple[dict[str, float], int]:
    """Return the seconds each cell's trials should take by their profile's fingerprint, and the
    largest peak memory in bytes; only what has been profiled is known.
    """
    profiles = {record.trial.fingerprint: record for record in records}
    seconds: dict[str, float] = {}
    memory = 0
    for cell in cells:
        record = profiles.get(cell.profile.fingerprint)
        if record is not None:
            seconds[record.trial.fingerprint] = trial_seconds(record, cell)
            memory = max(memory, int(record.value("peak_memory_bytes") or 0))
    return seconds, memory


def trial_seconds(profile: Record, cell: Cell) -> float:
    """Estimate a final trial from its profile: set-up, steps, and evaluation after each epoch."""
    budget, counts = cell.study.budget, cell.task.counts
    steps = profile.value("train_seconds") or 0.0
    rate = profile.value("samples_per_second")
    batch = profile.value("batch_inference_milliseconds")
    if batch is not None:  # of a model that writes its answers, many times that of a training step
        each = batch / 1000 / budget.batch_size
    elif rate is not None:
        each = _FORWARD_SHARE / rate
    else:
        return _SET_UP_SECONDS
    read = (budget.epochs if steps else 1) * counts["validation"] + counts["test"]
    return _SET_UP_SECONDS + steps + each * read
