"""The stage of a run: backbones found, data encoded, everything planned, and what it should cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from whichpeft.backbones import resolve_backbone
from whichpeft.costs import Question, count_flops, measure_matmul
from whichpeft.engine import Job
from whichpeft.engine.batches import as_trained_on, padded_length
from whichpeft.engine.compute import Compute, choose_compute, find_devices, group_devices
from whichpeft.engine.data import read_data, write_data
from whichpeft.engine.effort import Effort
from whichpeft.engine.processes import beginning, start_context
from whichpeft.engine.quantise import check_quantising
from whichpeft.engine.setting import usable_cores
from whichpeft.executors import warm_up
from whichpeft.planning import Cell, Plan, make_plan
from whichpeft.records import Record
from whichpeft.request import Request
from whichpeft.study import Trial

# What a trial costs beside its steps, until trials have been timed: loading and evaluation.
_SET_UP_SECONDS = 1.0
# Of a training step, that evaluating the same examples takes where it is not timed.
_FORWARD_SHARE = 0.35
# A trial's process holds more than its profile's peak: libraries, and data while it loads.
_PROCESS_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What is to run: the plan, each cell's encoded data, the devices, and notes to show.

    halve: try a trial that ran out of memory again with half as many examples at once.
    """

    plan: Plan
    data: dict[tuple[str, str, str], Path]
    devices: list[str]
    notes: list[str]
    halve: bool = False


def set_stage(request: Request, scratch: Path, device: str) -> Stage:
    """Find the backbones, encode the data and plan. Raises RequestError."""
    backbones = [resolve_backbone(name) for name in request.study.backbones]
    warm_up([backbone.family for backbone in backbones])
    devices = group_devices(find_devices(device), request.study.shards)
    choose_compute(devices[0], request.study.precision)
    check_quantising(request.study.quantise, devices[0])
    notes = [f"{task.name}: {note}" for task in request.tasks for note in task.notes]
    data = {}
    for backbone in backbones:
        for task in request.tasks:
            key = backbone.name, backbone.revision, task.name
            data[key], cut = write_data(task, backbone, request.study.budget, scratch)
            if cut:
                notes.append(f"{task.name}: {cut:.1%} of the examples are cut to what {key[0]} can read")
    plan = make_plan(request.study, backbones, request.tasks, request.methods)
    return Stage(plan, data, devices, notes)


def make_job(trial: Trial, cell: Cell, stage: Stage, beside: int) -> Job:
    """Put together what carries a trial out, with `beside` others allowed at the same time."""
    return Job(
        trial=trial,
        backbone=cell.backbone,
        method=cell.method,
        data=stage.data[cell.backbone.name, cell.backbone.revision, cell.task.name],
        device=stage.devices[0],
        beside=beside,
        halve=stage.halve,
    )


def profile_jobs(
    cells: Sequence[Cell], stage: Stage, effort: Effort, together: Callable[[Cell], int]
) -> Iterator[Job]:
    """Yield the jobs that measure what cells cost, to be run alone on the machine.

    together: how many trials of a cell should be timed as one model.
    What is measured once for all is measured before the first, and what is counted is counted for each
    when its turn has come, so that nothing runs beside a profile.
    """
    compute = matmul_speed = None
    lengths: dict[Path, int] = {}
    for cell in cells:
        job = make_job(cell.profile, cell, stage, 0)
        budget = cell.study.budget
        if compute is None or matmul_speed is None:
            compute = choose_compute(job.device, cell.study.precision)
            matmul_speed = _matmul_speed(compute, cell.study.threads)
        if job.data not in lengths:
            task, examples = read_data(job.data)
            train = as_trained_on(task, examples["train"], packing=cell.study.packing)
            lengths[job.data] = padded_length(train, budget.batch_size)
        question = Question(
            method=cell.method,
            backbone=cell.backbone,
            task=cell.task,
            compute=compute,
            batch_size=budget.batch_size,
            length=lengths[job.data],
            same_targets=cell.study.same_targets,
        )
        yield replace(
            job,
            effort=effort,
            flops_per_sample=count_flops(question),
            matmul_speed=matmul_speed,
            together=together(cell),
        )


def _matmul_speed(compute: Compute, threads: int) -> float | None:
    """Measure how fast the machine multiplies; None where it cannot be known.

    On an accelerator in a process of its own, so that this one takes none of its memory.
    """
    if compute.device.type == "cpu":
        return measure_matmul(compute, threads)
    with ProcessPoolExecutor(1, mp_context=start_context()) as process:
        try:
            with beginning():
                asked = process.submit(measure_matmul, compute, threads)
            return asked.result()
        except Exception:  # a GPU that others have filled: a share of its speed is not worth the run
            return None


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


def side_by_side(
    devices: Sequence[str], jobs: int | None, threads: int, memory: int, shards: int = 1
) -> list[str]:
    """Return a device for each trial that may run at the same time.

    One trial an accelerator, or a group of them; on a CPU as many as cores and memory allow, or
    `jobs`. memory: of one process of a trial, which has `shards`.
    """
    if devices[0] != "cpu":
        return list(devices[:jobs])
    by_cores = max(1, usable_cores() // (threads * shards))
    needed = shards * (memory + _PROCESS_BYTES)
    by_memory = max(1, int(psutil.virtual_memory().available // needed))
    return ["cpu"] * (jobs or min(by_cores, by_memory))
