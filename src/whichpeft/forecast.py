"""Forecast: what a run would do and how long it would take; runs no trial and keeps nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from whichpeft.conduct import make_job, set_stage, side_by_side, trial_seconds
from whichpeft.executors import NoWatch, run_jobs
from whichpeft.planning import Cell
from whichpeft.records import Record
from whichpeft.request import Request

# A method without a profile yet will be profiled first, which takes about this long.
_PROFILE_SECONDS = 3.5


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """One cell: the seeds still to run, the seconds each should take, and a note."""

    backbone: str
    task: str
    method: str
    seeds: tuple[int, ...]
    seconds: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """All cells, and the whole: trials to run, trials done before, seconds with so many at once."""

    rows: tuple[ForecastRow, ...]
    trials: int
    done: int
    at_once: int
    seconds: float


def make_forecast(request: Request, scratch: Path, *, jobs: int | None, device: str) -> Forecast:
    """Time a few steps of every method that has not been profiled yet, and add up."""
    stage = set_stage(request, scratch, device)
    kept = {record.trial.fingerprint: record for record in request.store}
    cells = {cell.profile.fingerprint: cell for cell in stage.plan.accepted}
    new = [replace(make_job(cell.profile, cell, stage, 0), quick=True)
           for name, cell in cells.items() if name not in kept]  # fmt: skip
    profiles = {name: kept[name] for name in cells if name in kept}
    for job, result in run_jobs(new, stage.devices[:1], NoWatch()):
        profiles[job.trial.fingerprint] = result.record
    rows = tuple(
        _row(cell, profiles.get(cell.profile.fingerprint), set(kept)) for cell in stage.plan.cells
    )
    memory = max((int(p.value("peak_memory_bytes") or 0) for p in profiles.values()), default=0)
    at_once = len(side_by_side(stage.devices, jobs, request.study.threads, memory))
    todo = sum(len(row.seeds) for row in rows)
    asked = sum(len(cell.finals) for cell in stage.plan.accepted)
    seconds = sum(len(row.seeds) * (row.seconds or 0.0) for row in rows) / at_once
    return Forecast(rows, todo, asked - todo, at_once, seconds + _PROFILE_SECONDS * len(new))


def _row(cell: Cell, profile: Record | None, kept: set[str]) -> ForecastRow:
    todo = tuple(trial.seed for trial in cell.finals if trial.fingerprint not in kept)
    seconds = None
    note = ""
    if cell.refusal is not None:
        todo, note = (), f"left out: {cell.refusal}"
    elif profile is not None and profile.outcome.status == "failed":
        note = f"fails: {profile.outcome.reason}"
    elif profile is not None:
        seconds = trial_seconds(profile, cell)
    return ForecastRow(cell.backbone.name, cell.task.name, cell.text, todo, seconds, note)
