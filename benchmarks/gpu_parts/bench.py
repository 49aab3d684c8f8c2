"""What every part needs: where it measures and until when, where its rows go, how profiles are taken."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import whichpeft as wp
from gpu_parts import made_up
from whichpeft.engine import ProfileWork
from whichpeft.engine.profiling.budget import ProfileBudget
from whichpeft.executors import LocalExecutor, SilentObserver
from whichpeft.planning import Cell
from whichpeft.records import Record
from whichpeft.running.profiling import profile_jobs
from whichpeft.running.request import check_request
from whichpeft.running.setup import RunSetup, make_job, resources_for, set_up

Row = Mapping[str, Any]
STEPS = ProfileBudget(seconds=4.0, step_seconds=2.0, sizes=6)
"""Memory and training steps, without inference."""
NARROW_STEPS = ProfileBudget(seconds=0.2, step_seconds=0.1, sizes=2, rounds=1)
_SPARE_GB = 2.0  # of disk


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Where a part measures, and where it writes."""

    device: str
    """``cuda``, ``cpu`` or ``mps``."""

    narrow: bool
    """Whether models are narrow and work is little, to try the parts without a GPU."""

    folder: Path
    """Made-up models and data."""

    rows: Path
    """File that rows are added to."""

    until: float
    """When the part has to end, by `time.time`."""

    def add(self, table: str, row: Row) -> None:
        """Add a row to a table of the report at once, so that it stays if the part is ended."""
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"table": table, "row": dict(row)}) + "\n")

    def note(self, line: str) -> None:
        """Add a line below the part's tables."""
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"note": line}) + "\n")

    def has_time(self, seconds: float = 0.0) -> bool:
        """Whether so many seconds are left."""
        return time.time() + seconds < self.until

    def backbone(self, name: str) -> str:
        """Return the folder of a made-up model. Raises SystemExit if the disk has no room for it."""
        free = shutil.disk_usage(self.folder).free / 1e9
        if not self.narrow and free < made_up.gigabytes(name) + _SPARE_GB:
            raise SystemExit(
                f"{name} takes {made_up.gigabytes(name)} GB on the disk, and {free:.1f} GB are free; "
                "name another folder with --scratch"
            )
        return made_up.backbone(name, self.folder, device=self.device, narrow=self.narrow)


@contextlib.contextmanager
def set_up_study(bench: Bench, study: wp.Study) -> Iterator[RunSetup]:
    """Prepare a study as a run does: data are encoded, methods checked and the fork server started."""
    with (
        tempfile.TemporaryDirectory(dir=bench.folder) as folder,
        contextlib.closing(LocalExecutor(bench.device)) as executor,
    ):
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        yield set_up(check_request(study, Path(folder, "run")), scratch, executor)


def profiles(bench: Bench, study: wp.Study, *, counted: bool = True) -> Iterator[Record]:
    """Yield each method's profile, measured in a process of its own as in a run, while time is left.

    Parameters
    ----------
    counted
        Whether to count FLOPs, for the share of the peak.
    """
    budget = NARROW_STEPS if bench.narrow else STEPS
    with set_up_study(bench, study) as setup:
        for cell in setup.plan.refused:
            bench.note(f"{cell.text} is refused: {cell.refusal}")
        cells = asked_for(setup, study)
        jobs = (
            profile_jobs(cells, setup, budget, trials_to_time=lambda cell: 0, patience=lambda: 0.0)
            if counted
            else (make_job(cell.profile, cell, setup, ProfileWork(budget=budget)) for cell in cells)
        )
        done = set()
        in_time = itertools.takewhile(lambda job: bench.has_time(), jobs)
        alone = resources_for(study, setup, alone=True)
        for job, result in setup.executor.run(in_time, alone, SilentObserver()):
            done.add(job.trial.method)
            yield result.record
        for cell in cells:
            if cell.text not in done:
                bench.note(f"{cell.text} is left out: the time is used up")


def asked_for(setup: RunSetup, study: wp.Study) -> list[Cell]:
    """Return the accepted cells of the study's own methods, without the baselines that a run adds."""
    return [cell for cell in setup.plan.accepted if cell.text in study.methods]


def planned_memory(bench: Bench, study: wp.Study) -> dict[str, float | str]:
    """Return the memory that a plan foresees for each method in GB, or why it does not."""
    try:
        rows = wp.plan(study, device=bench.device).rows
    except Exception as error:  # the measurements are worth more than the plan
        bench.note(f"no plan: {type(error).__name__}: {str(error)[:300]}")
        return {}
    return {
        row["method"]: found / 1e9 if (found := row["training_memory_bytes"]) else "?" for row in rows
    }


def shown(record: Record) -> dict[str, Any]:
    """Return a profile as a row."""
    row: dict[str, Any] = {"method": record.trial.method}
    if record.outcome.status != "completed":
        return row | {"result": f"{record.outcome.status}: {(record.outcome.reason or '')[:160]}"}

    def giga(name: str) -> float | None:
        value = record.value(name)
        return None if value is None else value / 1e9

    return row | {
        "step, ms": record.value("step_milliseconds"),
        "forward": record.value("forward_milliseconds"),
        "backward": record.value("backward_milliseconds"),
        "optimiser": record.value("optimizer_milliseconds"),
        "tokens/s": record.value("tokens_per_second"),
        "share of the peak": record.value("peak_share"),
        "peak GB": giga("peak_memory_bytes"),
        "reserved GB": giga("reserved_memory_bytes"),
        "loading, s": record.value("seconds", "set-up"),
        "profile, s": record.value("total_seconds"),
    }
