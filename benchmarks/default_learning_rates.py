"""The source of the default learning rates: validation scores over a grid, one seed each.

    python benchmarks/default_learning_rates.py --task stdlib-docs --task ../shared/data/sst2

Prints one table per task, methods by learning rate. It reads validation scores only and measures no
costs, so it may run next to other programs. docs/defaults.md has the result.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import whichpeft as wp
from whichpeft.engine import FinalWork
from whichpeft.executors import LocalExecutor, SilentObserver
from whichpeft.running.request import check_request
from whichpeft.running.setup import make_job, resources_for, set_up

GRID = {
    "full": (3e-5, 1e-4, 3e-4, 1e-3),
    "top-layers": (1e-4, 3e-4, 1e-3, 3e-3),
    "head": (1e-3, 5e-3, 2e-2, 1e-1),
    "lora": (3e-4, 1e-3, 3e-3, 1e-2),
    "dora": (3e-4, 1e-3, 3e-3, 1e-2),
    "adalora": (1e-3, 3e-3, 1e-2, 3e-2),
    "ia3": (3e-3, 1e-2, 3e-2, 1e-1),
    "bitfit": (3e-4, 1e-3, 3e-3, 1e-2),
    "prefix": (1e-3, 3e-3, 1e-2, 3e-2),
    "prompt": (3e-3, 1e-2, 3e-2, 1e-1),
    "p-tuning": (3e-4, 1e-3, 3e-3, 1e-2),
    "series-adapter": (3e-4, 1e-3, 3e-3, 1e-2),
    "parallel-adapter": (3e-4, 1e-3, 3e-3, 1e-2),
    "loreft": (1e-3, 3e-3, 1e-2, 3e-2),
    "rslora": (0.00025, 0.001, 0.004),
    "pissa": (0.000125, 0.0005, 0.002),
    "olora": (0.000125, 0.0005, 0.002),
    "mica": (0.0005, 0.002, 0.008),
    "adamss": (0.0025, 0.01, 0.04),
    "beft": (0.0025, 0.01, 0.04),
    "boft": (0.0025, 0.01, 0.04),
    "c3a": (0.025, 0.1, 0.4),
    "cartridge": (0.005, 0.02, 0.08),
    "deft": (0.00025, 0.001, 0.004),
    "delora": (0.0025, 0.01, 0.04),
    "fourierft": (0.025, 0.1, 0.4),
    "frod": (0.0025, 0.01, 0.04),
    "glora": (0.00025, 0.001, 0.004),
    "gralora": (0.0005, 0.002, 0.008),
    "hira": (0.005, 0.02, 0.08),
    "hra": (0.00125, 0.005, 0.02),
    "lily": (0.00025, 0.001, 0.004),
    "ln-tuning": (0.0025, 0.01, 0.04),
    "loha": (0.00125, 0.005, 0.02),
    "lokr": (0.0025, 0.01),
}


def sweep(task: str, methods: list[str], epochs: int, max_train: int) -> dict[str, float]:
    """Return the best validation score of each method, by its name as written."""
    study = wp.Study(
        backbone="minilm",
        task=task,
        methods=methods,
        seeds=1,
        budget=wp.Budget(epochs=epochs, max_train=max_train),
    )
    with tempfile.TemporaryDirectory() as scratch:
        setup = set_up(check_request(study, Path(scratch, "unused")), Path(scratch), LocalExecutor())
        resources = resources_for(study, setup, memory=500_000_000)
        jobs = [make_job(cell.finals[0], cell, setup, FinalWork()) for cell in setup.plan.accepted]
        scores = {}
        for job, result in setup.executor.run(jobs, resources, SilentObserver()):
            scores[job.trial.method] = result.record.value("validation_score") or float("nan")
            print(f"# {job.trial.method}: {scores[job.trial.method]:.3f}", flush=True)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", action="append", required=True)
    parser.add_argument("--method", action="append", help="default: all methods of the grid")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-train", type=int, default=800)
    given = parser.parse_args()
    grid = {name: rates for name, rates in GRID.items() if name in (given.method or GRID)}
    typed = [f"{name}:learning_rate={rate:g}" for name, rates in grid.items() for rate in rates]
    for task in given.task:
        scores = sweep(task, typed, given.epochs, given.max_train)
        print(f"\n{task}, {given.max_train} examples, {given.epochs} epochs: validation score\n")
        for name, rates in grid.items():
            cells = (f"{rate:g}: {scores[f'{name}:learning_rate={rate:g}']:.3f}" for rate in rates)
            print(f"| `{name}` | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
