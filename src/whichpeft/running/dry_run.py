"""The dry run: what a run would do and how long it would take. It runs no trial and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whichpeft.engine import ProfileWork
from whichpeft.engine.profile_budget import QUICK, ProfileBudget, profile_seconds
from whichpeft.executors import Executor, RunObserver, SilentObserver
from whichpeft.planning import Cell, SearchPlan, make_search
from whichpeft.records import Reading, Record
from whichpeft.report.tables.reading import as_values, lines_on_reading
from whichpeft.running.profiling import TUNING_SHARE, trial_seconds
from whichpeft.running.request import Request
from whichpeft.running.setup import make_job, resources_for, set_up
from whichpeft.running.tuning_queue import tuned_cell


@dataclass(frozen=True, slots=True)
class DryRunRow:
    """One cell: what is left to run, and a note."""

    backbone: str
    task: str
    method: str
    tuning: int
    """Tuning trials to run."""
    seeds: tuple[int, ...]
    """Seeds of the final trials to run with default hyperparameters."""
    tuned: int
    """Final trials to run with tuned ones; all seeds count until the search's result is known."""
    seconds: float | None
    """Expected seconds of one final trial; a tuning trial takes less, since most are stopped early."""
    note: str

    @property
    def trials(self) -> int:
        """Number of trials to run."""
        return self.tuning + len(self.seeds) + self.tuned

    @property
    def total_seconds(self) -> float:
        """Seconds that this cell should take, one trial after the other."""
        finals = len(self.seeds) + self.tuned
        return (self.seconds or 0.0) * (finals + TUNING_SHARE * self.tuning)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do, cell by cell and in total."""

    rows: tuple[DryRunRow, ...]
    """One row per cell."""
    trials: int
    """Trials to run."""
    done: int
    """Trials that have records."""
    concurrency: int
    """Trials that would run side by side."""
    seconds: float
    """Expected seconds of the run, its profiles included."""
    folder: Path
    """The run folder."""
    reading: Reading
    """What was read of the data and the backbones."""

    def to_json(self) -> str:
        """Return everything as a JSON object; ``tasks`` says what was read of each task's data."""
        values: dict[str, Any] = {
            **as_values(self.reading),
            "cells": [{**asdict(row), "trials": row.trials} for row in self.rows],
            "trials": self.trials,
            "done": self.done,
            "concurrency": self.concurrency,
            "seconds": self.seconds,
            "folder": str(self.folder),
        }
        return json.dumps(values, indent=1)


def make_dry_run(
    request: Request,
    scratch: Path,
    executor: Executor,
    *,
    profile_budget: ProfileBudget,
    observer: RunObserver,
) -> DryRun:
    """Time a few steps of every method that has no profile yet, and add the times up.

    Parameters
    ----------
    profile_budget
        The budget of the profiles that the run itself would make.
    observer
        Gets what was read before the first step is timed.
    """
    setup = set_up(request, scratch, executor)
    for line in lines_on_reading(setup.reading):
        observer.notify(line)
    records = {record.trial.fingerprint: record for record in request.store}
    cells = {cell.profile.fingerprint: cell for cell in setup.plan.accepted}
    profiles = {name: records[name] for name in cells if name in records}
    new = [
        make_job(cell.profile, cell, setup, ProfileWork(budget=QUICK))
        for name, cell in cells.items()
        if name not in records
    ]
    study = request.study
    for job, result in executor.run(new, resources_for(study, alone=True), SilentObserver()):
        profiles[job.trial.fingerprint] = result.record
    rows = tuple(
        _row(cell, profiles.get(cell.profile.fingerprint), records, request.search_seed)
        for cell in setup.plan.cells
    )
    memory = max((int(p.value("peak_memory_bytes") or 0) for p in profiles.values()), default=0)
    concurrency = executor.concurrency(resources_for(study, memory=memory))
    # A method that trains nothing is profiled in no time.
    training = sum(profiles[job.trial.fingerprint].value("train_seconds") != 0 for job in new)
    return DryRun(
        rows=rows,
        trials=sum(row.trials for row in rows),
        done=sum(record.trial.purpose != "profile" for record in records.values()),
        concurrency=concurrency,
        seconds=sum(row.total_seconds for row in rows) / concurrency
        + profile_seconds(profile_budget) * training,
        folder=request.store.folder,
        reading=setup.reading,
    )


def _row(
    cell: Cell, profile: Record | None, records: Mapping[str, Record], search_seed: int
) -> DryRunRow:
    names = cell.backbone.name, cell.task.name, cell.text
    if cell.refusal is not None:
        return DryRunRow(*names, 0, (), 0, None, f"left out: {cell.refusal}")
    seeds = tuple(trial.seed for trial in cell.finals if trial.fingerprint not in records)
    tuning, tuned = _tuning_left(make_search(cell, search_seed), records)
    if profile is not None and profile.outcome.status == "failed":
        return DryRunRow(*names, tuning, seeds, tuned, None, f"fails: {profile.outcome.reason}")
    seconds = None if profile is None else trial_seconds(profile, cell)
    return DryRunRow(*names, tuning, seeds, tuned, seconds, "")


def _tuning_left(search: SearchPlan | None, records: Mapping[str, Record]) -> tuple[int, int]:
    """Return how many tuning trials a cell lacks, and how many final trials of its tuned method."""
    if search is None:
        return 0, 0
    missing = sum(trial.fingerprint not in records for trial in search.trials)
    if missing:
        return missing, len(search.cell.finals)
    tuned = tuned_cell(search, records)
    finals = tuned.finals if tuned is not None else []
    return 0, sum(trial.fingerprint not in records for trial in finals)
