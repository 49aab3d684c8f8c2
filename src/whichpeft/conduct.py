"""Carries a checked request through: encode, plan, profile alone, then run the final trials."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from whichpeft.backbones import resolve_backbone
from whichpeft.engine import Job
from whichpeft.engine.compute import choose_compute, find_devices
from whichpeft.engine.data import write_data
from whichpeft.engine.setting import describe_setting, usable_cores
from whichpeft.errors import FolderError
from whichpeft.executors import Watch, run_jobs, warm_up
from whichpeft.planning import Cell, Plan, make_plan
from whichpeft.records import Outcome, Record, Store
from whichpeft.request import Request
from whichpeft.study import Trial

# What a trial costs beside its steps, until trials have been timed: loading and evaluation.
_SET_UP_SECONDS = 1.0
_FORWARD_SHARE = 0.35  # of a training step, that evaluating the same examples takes
# A trial's process holds more than its profile's peak: libraries, and data while it loads.
_PROCESS_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What is to run: the plan, each cell's encoded data, the devices, and notes to show."""

    plan: Plan
    data: dict[tuple[str, str, str], Path]
    devices: list[str]
    notes: list[str]


def conduct(request: Request, scratch: Path, *, jobs: int | None, device: str, watch: Watch) -> None:
    """Run what the request's folder lacks. Raises RequestError before the first trial only."""
    stage = set_stage(request, scratch, device)
    store = request.store
    _check_same_data(stage, store)
    store.keep_study(request.whole)
    for line in stage.notes:
        watch.say(line)
    for cell in stage.plan.refused:
        _keep_refusal(cell, stage, store)
        watch.say(f"{cell.text} is left out: {cell.refusal}")

    profiles = [cell.profile for cell in stage.plan.accepted]
    _run(request, stage, profiles, "profile", stage.devices[:1], watch)
    seconds, memory = expected_costs(stage, store)
    watch.estimate(seconds)

    finals = [trial for cell in stage.plan.accepted for trial in cell.finals]
    # Seeds outermost, so that a run cut short leaves methods that can be compared; within a seed
    # the longest first, so that the last to end is short.
    finals.sort(key=lambda trial: (trial.seed, -seconds.get(trial.fingerprint, 0.0)))
    devices = side_by_side(stage.devices, jobs, request.study.threads, memory)
    _run(request, stage, finals, "final", devices, watch)


def _check_same_data(stage: Stage, store: Store) -> None:
    """Raise FolderError where the folder's records are of other data or another model's weights."""
    now = {
        (cell.backbone.name, cell.task.name): (cell.backbone.revision, cell.task.fingerprint)
        for cell in stage.plan.cells
    }
    for record in store:
        trial = record.trial
        revision, data = now.get((trial.backbone, trial.task), (trial.backbone_revision, trial.data))
        if (revision, data) != (trial.backbone_revision, trial.data):
            changed = trial.task if data != trial.data else trial.backbone
            raise FolderError(
                f"{store.folder}: its records are of another {changed}: the content has changed since; "
                "choose another folder with --out"
            )


def set_stage(request: Request, scratch: Path, device: str) -> Stage:
    """Find the backbones, encode the data and plan. Raises RequestError."""
    backbones = [resolve_backbone(name) for name in request.study.backbones]
    warm_up([backbone.family for backbone in backbones])
    devices = find_devices(device)
    choose_compute(devices[0], request.study.precision)
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


def expected_costs(stage: Stage, store: Store) -> tuple[dict[str, float], int]:
    """Return the seconds each final trial should take, and the largest peak memory in bytes."""
    profiles = {record.trial.fingerprint: record for record in store}
    seconds: dict[str, float] = {}
    memory = 0
    for cell in stage.plan.accepted:
        record = profiles.get(cell.profile.fingerprint)
        if record is None:
            continue
        cost = trial_seconds(record, cell)
        seconds |= {trial.fingerprint: cost for trial in cell.finals}
        memory = max(memory, int(record.value("peak_memory_bytes") or 0))
    return seconds, memory


def trial_seconds(profile: Record, cell: Cell) -> float:
    """Estimate a final trial from its profile: set-up, steps, and evaluation after each epoch."""
    budget = cell.study.budget
    rate = profile.value("samples_per_second")
    if rate is None:
        return _SET_UP_SECONDS
    read = budget.epochs * cell.task.counts["validation"] + cell.task.counts["test"]
    steps = profile.value("train_seconds") or 0.0
    return _SET_UP_SECONDS + steps + _FORWARD_SHARE * read / rate


def side_by_side(devices: Sequence[str], jobs: int | None, threads: int, memory: int) -> list[str]:
    """Return a device for each trial that may run at the same time.

    One trial an accelerator; on a CPU as many as cores and memory allow, or `jobs`.
    """
    if devices[0] != "cpu":
        return list(devices[:jobs])
    by_cores = max(1, usable_cores() // threads)
    by_memory = max(1, int(psutil.virtual_memory().available // (memory + _PROCESS_BYTES)))
    return ["cpu"] * (jobs or min(by_cores, by_memory))


def _run(
    request: Request,
    stage: Stage,
    trials: Sequence[Trial],
    name: str,
    devices: Sequence[str],
    watch: Watch,
) -> None:
    """Run the trials that have no record yet and keep each one's record as it ends."""
    store = request.store
    kept = store.fingerprints()
    cells = {trial.fingerprint: cell for cell in stage.plan.accepted for trial in cell_trials(cell)}
    todo = [
        make_job(trial, cells[trial.fingerprint], stage, len(devices) - 1)
        for trial in trials
        if trial.fingerprint not in kept
    ]
    watch.stage(name, todo, done=len(trials) - len(todo), at_once=len(devices))
    # Closed at once where ctrl-C lands here, so that no trial runs on.
    with contextlib.closing(run_jobs(todo, devices, watch)) as results:
        for _, result in results:
            store.add(result.record, curve=result.curve, predictions=result.predictions)


def cell_trials(cell: Cell) -> list[Trial]:
    return [cell.profile, *cell.finals]


def make_job(trial: Trial, cell: Cell, stage: Stage, beside: int) -> Job:
    """Put together what carries a trial out, with `beside` others allowed at the same time."""
    return Job(
        trial=trial,
        backbone=cell.backbone,
        method=cell.method,
        data=stage.data[cell.backbone.name, cell.backbone.revision, cell.task.name],
        device=stage.devices[0],
        beside=beside,
    )


def _keep_refusal(cell: Cell, stage: Stage, store: Store) -> None:
    """Keep a refusal as a record, so that every table shows it."""
    trial = cell.profile
    if trial.fingerprint not in store.fingerprints():
        setting = describe_setting(choose_compute(stage.devices[0], trial.precision), 0)
        outcome = Outcome(status="refused", phase="plan", reason=cell.refusal)
        store.add(Record(trial=trial, setting=setting, outcome=outcome))
