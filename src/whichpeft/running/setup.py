"""What is ready before the first trial: backbones, encoded data, the plan, and the executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine import Job, Placement
from whichpeft.engine.job import Work
from whichpeft.executors import Executor, Resources
from whichpeft.planning import Cell, StudyPlan, make_plan
from whichpeft.planning.batch_norm import micro_batch_note
from whichpeft.records import LengthReading, Reading, Record, Setting, Store
from whichpeft.running.reading import read_of_backbone, read_of_task
from whichpeft.running.request import Request
from whichpeft.study import Study, Trial
from whichpeft.tasks.encoded_data import write_data

DataFiles = dict[tuple[str, str, str], Path]
"""Files of encoded data, by a backbone's name, its revision, and a task's name."""


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What a run needs to make and carry out jobs."""

    plan: StudyPlan
    """Every cell of the study."""
    data: DataFiles
    """The encoded data of each backbone and task."""
    executor: Executor
    """Where trials run."""
    reading: Reading
    """What was read of data and backbones, and what the user should know of machines."""
    weights: int = 0
    """Bytes of the largest backbone's weights in float32."""
    halve_micro_batch: bool = False
    """Whether a trial that runs out of memory is tried again with half as many examples at a time."""

    def data_of(self, cell: Cell) -> Path:
        """Return the file with a cell's encoded data."""
        return self.data[cell.backbone.name, cell.backbone.revision, cell.task.name]


def set_up(request: Request, scratch: Path, executor: Executor) -> RunSetup:
    """Find the backbones, begin the executor, encode the data and plan the study.

    Raises RequestError if one of them is not available.
    """
    backbones = [resolve_backbone(name) for name in request.study.backbones]
    families = [backbone.family for backbone in backbones]
    executor.begin(request.study, families, like=_settings_of_profiles(request.store))
    read_of_backbones = tuple(read_of_backbone(backbone, request.tasks) for backbone in backbones)
    data, lengths, notes = _encode(request, backbones, scratch)
    plan = make_plan(request.study, backbones, request.tasks, request.methods)
    reading = Reading(
        tasks=tuple(read_of_task(task, notes.get(task.name, ())) for task in request.tasks),
        lengths=lengths,
        backbones=read_of_backbones,
        notes=(*executor.notes(), *plan.notes, *_notes_on_batches(request, backbones)),
    )
    weights = max(backbone.float32_bytes for backbone in backbones)
    return RunSetup(plan, data, executor, reading, weights)


def with_budget_of(setup: RunSetup, request: Request, scratch: Path) -> RunSetup:
    """Return a setup for the budget of another request: the same cells, its data encoded again."""
    if request.study.budget == next(iter(setup.plan.cells)).study.budget:
        return setup
    cells = tuple(replace(cell, study=request.study) for cell in setup.plan.cells)
    backbones = list({cell.backbone.name: cell.backbone for cell in cells}.values())
    data, lengths, notes = _encode(request, backbones, scratch)
    tasks = tuple(read_of_task(task, notes.get(task.name, ())) for task in request.tasks)
    return replace(
        setup,
        plan=StudyPlan(cells),
        data=data,
        reading=replace(setup.reading, tasks=tasks, lengths=lengths),
    )


def _notes_on_batches(request: Request, backbones: Iterable[Backbone]) -> Iterator[str]:
    for backbone in backbones:
        found = {micro_batch_note(task, backbone, request.study.budget) for task in request.tasks}
        yield from (f"{backbone.name}: {note}" for note in found if note is not None)


def _settings_of_profiles(store: Store) -> Iterable[Setting]:
    return (
        found.setting
        for found in store.each()
        if isinstance(found, Record) and found.trial.purpose == "profile"
    )


def _encode(
    request: Request, backbones: Iterable[Backbone], scratch: Path
) -> tuple[DataFiles, tuple[LengthReading, ...], dict[str, list[str]]]:
    """Encode every task for every backbone; return the files, lengths of inputs, and notes by task."""
    data: DataFiles = {}
    found = []
    notes: dict[str, list[str]] = {}
    for backbone in backbones:
        for task in request.tasks:
            key = backbone.name, backbone.revision, task.name
            data[key], lengths = write_data(task, backbone, request.study.budget, scratch)
            if lengths is not None:
                facts = dataclasses.asdict(lengths)
                notes.setdefault(task.name, []).extend(facts.pop("notes"))
                found.append(LengthReading(task=task.name, backbone=backbone.name, **facts))
    return data, tuple(found), notes


def make_job(trial: Trial, cell: Cell, setup: RunSetup, work: Work) -> Job:
    """Put together what an executor needs to carry a trial out."""
    compute = setup.executor.compute
    return Job(
        trial=trial,
        backbone=cell.backbone,
        method=cell.method,
        data=setup.data_of(cell),
        placement=Placement(device=str(compute.device), precision=compute.precision),
        work=work,
        halve_micro_batch=setup.halve_micro_batch,
    )


def resources_for(study: Study, setup: RunSetup, *, memory: int = 0, alone: bool = False) -> Resources:
    """Return what a trial of a study takes.

    Parameters
    ----------
    memory
        Bytes of its process, as profiled; 0 if unknown.
    alone
        Whether nothing else may run on its device.
    """
    return Resources(
        threads=study.conditions.threads,
        shards=study.conditions.shards,
        memory=memory,
        weights=setup.weights,
        alone=alone,
    )
