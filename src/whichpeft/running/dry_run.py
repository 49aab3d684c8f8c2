"""The dry run: what a run would do and how long it would take. It runs no trial and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whichpeft.costs import TimeRange
from whichpeft.engine import ProfileWork
from whichpeft.engine.profiling.budget import QUICK, ProfileBudget, profile_seconds
from whichpeft.executors import Executor, RunObserver, SilentObserver
from whichpeft.planning import Cell, SearchPlan, make_search
from whichpeft.records import Reading, Record
from whichpeft.records.other_work import busy_note
from whichpeft.report.tables.reading import as_values, lines_on_reading
from whichpeft.running.profiling import TUNING_SHARE, trial_time
from whichpeft.running.request import Request
from whichpeft.running.setup import make_job, resources_for, set_up
from whichpeft.running.tuning_queue import tuned_cell
from whichpeft.running.until_decided import SeedCount, seed_counts
from whichpeft.study import UntilDecided, all_seeds


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
    more: int
    """Further final trials at most, if seeds go until methods are decided."""
    time: TimeRange | None
    """Expected time of one final trial; a tuning trial takes less, since most are stopped early."""
    note: str

    @property
    def trials(self) -> int:
        """Number of trials to run."""
        return self.tuning + len(self.seeds) + self.tuned

    @property
    def trials_at_most(self) -> int:
        """Number of trials to run if the method stays undecided."""
        return self.trials + self.more

    @property
    def seconds(self) -> float | None:
        """Expected seconds of one final trial."""
        return None if self.time is None else self.time.likely

    @property
    def total(self) -> TimeRange:
        """Time that this cell should take, one trial after the other."""
        finals = len(self.seeds) + self.tuned
        return (self.time or TimeRange()) * (finals + TUNING_SHARE * self.tuning)

    @property
    def total_at_most(self) -> TimeRange:
        """Time that this cell should take if the method stays undecided."""
        return self.total + (self.time or TimeRange()) * self.more

    def as_object(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        values = asdict(self)
        note = values.pop("note")
        values.pop("time")
        return {
            **values,
            "seconds": self.seconds,
            "seconds_low": None if self.time is None else self.time.low,
            "seconds_high": None if self.time is None else self.time.high,
            "note": note,
            "trials": self.trials,
            "trials_at_most": self.trials_at_most,
        }


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do, cell by cell and in total."""

    rows: tuple[DryRunRow, ...]
    """One row per cell."""
    trials: int
    """Trials to run."""
    trials_at_most: int
    """Trials to run if all methods that get seeds until they are decided stay undecided."""
    done: int
    """Trials that have records."""
    concurrency: int
    """Trials that would run side by side."""
    time: TimeRange
    """Expected time of the run, its profiles included."""
    time_at_most: TimeRange
    """Expected time of a run with `trials_at_most`."""
    busy: str | None
    """Whose steps were timed beside other work, and how much there was; None if there was none."""
    folder: Path
    """The run folder."""
    reading: Reading
    """What was read of the data and the backbones."""

    @property
    def seconds(self) -> float:
        """Expected seconds of the run, its profiles included."""
        return self.time.likely

    @property
    def seconds_at_most(self) -> float:
        """Expected seconds of a run with `trials_at_most`."""
        return self.time_at_most.likely

    def to_json(self) -> str:
        """Return everything as a JSON object; ``tasks`` says what was read of each task's data."""
        values: dict[str, Any] = {
            **as_values(self.reading),
            "cells": [row.as_object() for row in self.rows],
            "trials": self.trials,
            "trials_at_most": self.trials_at_most,
            "done": self.done,
            "concurrency": self.concurrency,
            "seconds": self.seconds,
            "seconds_at_most": self.seconds_at_most,
            "seconds_low": self.time.low,
            "seconds_high": self.time_at_most.high,
            "busy": self.busy,
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
    alone = resources_for(study, setup, alone=True)
    for job, result in executor.run(new, alone, SilentObserver()):
        profiles[job.trial.fingerprint] = result.record
    searches = {name: make_search(cell, request.search_seed) for name, cell in cells.items()}
    counts = _seed_counts(request, list(cells.values()), searches, records)
    rows = tuple(
        _row(cell, profiles.get(cell.profile.fingerprint), searches, records, counts)
        for cell in setup.plan.cells
    )
    memory = max((int(p.value("peak_memory_bytes") or 0) for p in profiles.values()), default=0)
    concurrency = executor.concurrency(resources_for(study, setup, memory=memory))
    # A method that trains nothing is profiled in no time.
    training = sum(profiles[job.trial.fingerprint].value("train_seconds") != 0 for job in new)
    seconds = profile_seconds(profile_budget) * training / executor.concurrency(alone)
    profiling = TimeRange(seconds, seconds, seconds)
    return DryRun(
        rows=rows,
        trials=sum(row.trials for row in rows),
        trials_at_most=sum(row.trials_at_most for row in rows),
        done=sum(record.trial.purpose != "profile" for record in records.values()),
        concurrency=concurrency,
        time=sum((row.total for row in rows), TimeRange()) * (1 / concurrency) + profiling,
        time_at_most=sum((row.total_at_most for row in rows), TimeRange()) * (1 / concurrency)
        + profiling,
        busy=busy_note(profiles.values()),
        folder=request.store.folder,
        reading=setup.reading,
    )


def _seed_counts(
    request: Request,
    cells: Sequence[Cell],
    searches: Mapping[str, SearchPlan | None],
    records: Mapping[str, Record],
) -> dict[str, SeedCount] | None:
    """Return the seeds of each cell, default and tuned; None if every method gets the same seeds."""
    if not isinstance(request.study.seeds, UntilDecided):
        return None
    tuned = [tuned_cell(search, records) for search in searches.values() if search is not None]
    every = [*cells, *(cell for cell in tuned if cell is not None)]
    return seed_counts(request.whole, request.store, every)


def _row(
    cell: Cell,
    profile: Record | None,
    searches: Mapping[str, SearchPlan | None],
    records: Mapping[str, Record],
    counts: Mapping[str, SeedCount] | None,
) -> DryRunRow:
    names = cell.backbone.name, cell.task.name, cell.text
    if cell.refusal is not None:
        return DryRunRow(*names, 0, (), 0, 0, None, f"left out: {cell.refusal}")
    seeds, more = _finals_left(cell, records, counts)
    tuning, tuned, more_tuned = _tuning_left(searches[cell.profile.fingerprint], records, counts)
    left = *names, tuning, seeds, tuned, more + more_tuned
    if profile is not None and profile.outcome.status == "failed":
        return DryRunRow(*left, None, f"fails: {profile.outcome.reason}")
    return DryRunRow(*left, None if profile is None else trial_time(profile, cell), "")


def _finals_left(
    cell: Cell, records: Mapping[str, Record], counts: Mapping[str, SeedCount] | None
) -> tuple[tuple[int, ...], int]:
    """Return the seeds of the final trials that a cell lacks, and how many more it may get."""
    if counts is None:
        return tuple(t.seed for t in cell.finals if t.fingerprint not in records), 0
    count = counts[cell.final(0).fingerprint]
    lacking = [seed for seed in range(count.most) if cell.final(seed).fingerprint not in records]
    due = tuple(seed for seed in lacking if seed < count.least)
    return due, len(lacking) - len(due)


def _tuning_left(
    search: SearchPlan | None, records: Mapping[str, Record], counts: Mapping[str, SeedCount] | None
) -> tuple[int, int, int]:
    """Return the tuning trials that a cell lacks, and `_finals_left` of its tuned method as a number."""
    if search is None:
        return 0, 0, 0
    missing = sum(trial.fingerprint not in records for trial in search.trials)
    if missing:
        first = len(search.cell.finals)
        return missing, first, len(all_seeds(search.cell.study.seeds)) - first
    tuned = tuned_cell(search, records)
    if tuned is None:
        return 0, 0, 0
    seeds, more = _finals_left(tuned, records, counts)
    return 0, len(seeds), more
