"""The dry run: what a run would do and how long it would take; runs no trial and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from whichpeft.engine.profile_budget import QUICK, STANDARD, ProfileBudget, profile_seconds
from whichpeft.executors import Executor, SilentObserver
from whichpeft.planning import Cell, make_search
from whichpeft.records import Record
from whichpeft.running.request import Request
from whichpeft.running.runner import TUNING_SHARE, found_by
from whichpeft.running.setup import make_job, resources_for, set_up, trial_seconds


@dataclass(frozen=True, slots=True)
class DryRunRow:
    """One cell: what is still to run, and a note.

    tuning: tuning trials; seeds: of the final trials by default; tuned: final trials of what its search
    finds, for which all seeds are counted until that is known. seconds: of one final trial; a tuning
    trial takes less, most being stopped early.
    """

    backbone: str
    task: str
    method: str
    tuning: int
    seeds: tuple[int, ...]
    tuned: int
    seconds: float | None
    note: str

    @property
    def trials(self) -> int:
        """Trials to run."""
        return self.tuning + len(self.seeds) + self.tuned

    @property
    def whole_seconds(self) -> float:
        """Seconds that this cell should take, one trial after the other."""
        finals = len(self.seeds) + self.tuned
        return (self.seconds or 0.0) * (finals + TUNING_SHARE * self.tuning)


@dataclass(frozen=True, slots=True)
class DryRun:
    """All cells, and the whole: trials to run, trials done before, seconds with so many at once."""

    rows: tuple[DryRunRow, ...]
    trials: int
    done: int
    concurrency: int
    seconds: float


def make_dry_run(
    request: Request,
    scratch: Path,
    executor: Executor,
    *,
    profile_budget: ProfileBudget = STANDARD,
) -> DryRun:
    """Time a few steps of every method that has not been profiled yet, and add up.

    profile_budget: of the profiles that the run will take.
    """
    setup = set_up(request, scratch, executor)
    kept = {record.trial.fingerprint: record for record in request.store}
    cells = {cell.profile.fingerprint: cell for cell in setup.plan.accepted}
    new = [replace(make_job(cell.profile, cell, setup), profile_budget=QUICK)
           for name, cell in cells.items() if name not in kept]  # fmt: skip
    profiles = {name: kept[name] for name in cells if name in kept}
    study = request.study
    for job, result in executor.run(new, resources_for(study, alone=True), SilentObserver()):
        profiles[job.trial.fingerprint] = result.record
    rows = tuple(_row(cell, profiles.get(cell.profile.fingerprint), kept) for cell in setup.plan.cells)
    memory = max((int(p.value("peak_memory_bytes") or 0) for p in profiles.values()), default=0)
    concurrency = executor.concurrency(resources_for(study, memory=memory))
    done = sum(record.trial.purpose != "profile" for record in kept.values())
    # What trains nothing is profiled in no time.
    long = sum(profiles[job.trial.fingerprint].value("train_seconds") != 0 for job in new)
    seconds = (
        sum(row.whole_seconds for row in rows) / concurrency + profile_seconds(profile_budget) * long
    )
    return DryRun(rows, sum(row.trials for row in rows), done, concurrency, seconds)


def _row(cell: Cell, profile: Record | None, kept: Mapping[str, Record]) -> DryRunRow:
    names = cell.backbone.name, cell.task.name, cell.text
    if cell.refusal is not None:
        return DryRunRow(*names, 0, (), 0, None, f"left out: {cell.refusal}")
    seeds = tuple(trial.seed for trial in cell.finals if trial.fingerprint not in kept)
    search = make_search(cell)
    tuning = sum(trial.fingerprint not in kept for trial in search.trials) if search else 0
    tuned = 0
    if search is not None and tuning:
        tuned = len(cell.finals)
    elif search is not None:
        found = found_by(search, kept)
        tuned = sum(trial.fingerprint not in kept for trial in found.finals) if found else 0
    if profile is not None and profile.outcome.status == "failed":
        return DryRunRow(*names, tuning, seeds, tuned, None, f"fails: {profile.outcome.reason}")
    seconds = None if profile is None else trial_seconds(profile, cell)
    return DryRunRow(*names, tuning, seeds, tuned, seconds, "")
