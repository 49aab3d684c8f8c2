"""Prints how many seconds each method's profile takes, and how long each part takes.

Run it from the checkout, on a machine that does nothing else: python benchmarks/profile_seconds.py
Methods may be named. `--profile thorough` takes the longer profile. If the machine was shared, compare
the processor's seconds instead.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import psutil

from whichpeft.engine.profiling.budget import PROFILE_BUDGETS, find_profile_budget
from whichpeft.executors import LocalExecutor, SilentObserver
from whichpeft.records import Record
from whichpeft.running.default_study import DEFAULT
from whichpeft.running.profiling import profile_jobs
from whichpeft.running.request import check_request
from whichpeft.running.setup import resources_for, set_up

PHASES = ("set-up", "warm-up", "fit", "save", "validate")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("methods", nargs="*", default=DEFAULT.methods)
    options.add_argument("--profile", choices=PROFILE_BUDGETS, default="standard")
    options.add_argument("--task", default="stdlib-docs")
    options.add_argument("--backbone", default="minilm")
    options.add_argument("--all", action="store_true", help="print every measurement")
    asked = options.parse_args()
    study = dataclasses.replace(
        DEFAULT, methods=tuple(asked.methods), tasks=(asked.task,), backbones=(asked.backbone,)
    )
    print(f"{'method':16}{'whole':>7}{'counting':>10}" + "".join(f"{phase:>10}" for phase in PHASES))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        setup = set_up(check_request(study, Path(folder, "run")), scratch, LocalExecutor())
        jobs = profile_jobs(
            list(setup.plan.accepted),
            setup,
            find_profile_budget(asked.profile),
            trials_to_time=lambda cell: 0,
            patience=lambda: 0.0,
        )
        began = time.perf_counter()
        psutil.cpu_percent()
        for job, result in setup.executor.run(
            jobs, resources_for(study, setup, alone=True), SilentObserver()
        ):
            print_row(job.trial.method, result.record, time.perf_counter() - began)
            if asked.all:
                for m in result.record.measurements:
                    spread = "" if m.low is None else f" [{m.low:.4g}, {m.high:.4g}]"
                    print(f"    {m.name} {m.value:.6g}{spread} {m.unit} ({m.phase}, {m.source})")
            began = time.perf_counter()


def print_row(method: str, record: Record, whole: float) -> None:
    """whole: seconds since the end of the previous method; the part outside the profile itself is
    counting FLOPs, and the process's end.
    """
    if record.outcome.status != "completed":
        print(f"{method:16}{record.outcome.reason}")
        return
    counting = whole - (record.value("total_seconds") or 0.0)
    phases = (record.value("seconds", phase) or 0.0 for phase in PHASES)
    print(f"{method:16}{whole:7.2f}{counting:10.2f}" + "".join(f"{s:10.2f}" for s in phases), flush=True)


if __name__ == "__main__":
    main()
