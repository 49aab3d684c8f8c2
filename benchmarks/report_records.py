"""The time and memory of `whichpeft report` over thousands of records.

    python benchmarks/report_records.py

Makes a folder of 5,000 records: 25 methods on two tasks, each with profiles, tuning trials and final
trials, default and tuned. Predictions for 1,000 examples are kept as a run keeps them. It then runs the
report in a process of its own: the table as JSON, and the page.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import whichpeft as wp
from whichpeft.records import Measurement, Outcome, Record, Setting, Store
from whichpeft.records.selection import SEARCH_SEED
from whichpeft.study import Trial

TASKS = ("reviews", "questions")
EXAMPLES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", type=int, default=25)
    parser.add_argument("--tuning-trials", type=int, default=88)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "run")
        count = make(folder, asked.methods, asked.tuning_trials, asked.seeds)
        print(f"{count:,} records\n\n| | median s | peak MB |\n| --- | --: | --: |")
        for name, arguments in {
            "report --format json": ["--format", "json"],
            "report --html page.html": ["--html", str(Path(scratch, "page.html"))],
        }.items():
            seconds, peaks = zip(*(timed(folder, arguments) for _ in range(asked.repeats)), strict=True)
            print(
                f"| `{name}` | {statistics.median(seconds):.1f} | {max(peaks) / 1e6:,.0f} |", flush=True
            )


def timed(folder: Path, arguments: list[str]) -> tuple[float, int]:
    """Run the report in a process of its own; return its seconds and peak resident memory in bytes."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "whichpeft", "report", str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"report ended with status {os.waitstatus_to_exitcode(status)}")
    scale = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began, usage.ru_maxrss * scale


def make(folder: Path, methods: int, tuning_trials: int, seeds: int) -> int:
    """Write the records and return their number."""
    names = ["full", *(f"lora:r={rank}" for rank in range(1, methods))]
    budget = wp.Budget(epochs=3, tuning_trials=tuning_trials)
    study = wp.Study(
        name="many", backbone="minilm", tasks=list(TASKS), methods=names, seeds=seeds, budget=budget
    )
    folder.mkdir()
    store = Store(folder)
    store.keep_study(study)
    rng = np.random.default_rng(0)
    for task in TASKS:
        labels = rng.integers(0, 2, EXAMPLES)
        for i, name in enumerate(names):
            for record in profiles(name, task, budget, i):
                store.add(record)
            for number in range(tuning_trials):
                store.add(tuning(name, task, budget, number, 0.8 + 0.1 * rng.random()))
            for rate in (1e-3, _rate(number_of_best(name))):
                for seed in range(seeds):
                    right = rng.random(EXAMPLES) < 0.8 + 0.002 * i
                    chosen = np.where(right, labels, 1 - labels)
                    outputs = np.eye(2, dtype=np.float32)[chosen] * rng.random(
                        (EXAMPLES, 1), dtype=np.float32
                    )
                    final = finished(name, task, budget, rate, seed, float(right.mean()))
                    store.add(final, predictions={"outputs": outputs, "labels": labels})
    return len(store.fingerprints())


def number_of_best(name: str) -> int:
    return sum(map(ord, name)) % 7 + 1


def _rate(number: int) -> float:
    return 1e-3 * 1.05**number


def trial(name: str, task: str, budget: wp.Budget, rate: float, **of: Any) -> Trial:
    rank = int(name.rpartition("=")[2]) if "=" in name else 0
    options = {"learning_rate": rate, "weight_decay": 0.0, "warmup_ratio": 0.06}
    return Trial(
        backbone="minilm", backbone_revision="made", task=task, data=f"made-{task}", method=name,
        method_id=name, hyperparameters=options | ({"r": rank} if rank else {}), budget=budget,
        **of,
    )  # fmt: skip


def profiles(name: str, task: str, budget: wp.Budget, i: int) -> list[Record]:
    found = []
    for rate in (1e-3, _rate(number_of_best(name))):
        facts = [
            _fact("train_seconds", 100 - i, "s"), _fact("step_milliseconds", 200 - i, "ms"),
            _fact("samples_per_second", 80 + i, "1/s"), _fact("peak_memory_bytes", 10**8, "B"),
            _fact("adapter_bytes", 10**6 + i, "B"), _fact("trainable_parameters", 10**4 + i, "count"),
            _fact("adapter_parameters", 10**4, "count"), _fact("head_parameters", i, "count"),
            _fact("total_parameters", 2 * 10**7, "count"), _fact("full_parameters", 2 * 10**7, "count"),
        ]  # fmt: skip
        found.append(_record(trial(name, task, budget, rate, purpose="profile", seed=0), facts))
    return found


def tuning(name: str, task: str, budget: wp.Budget, number: int, score: float) -> Record:
    if number == number_of_best(name):
        score = 0.95
    facts = [
        Measurement(
            name="validation_score", value=score, unit="fraction", phase="validate", source="made"
        ),
        _fact("steps", 100, "count"),
        _fact("examples_trained", 1600, "count"), _fact("search_trials", budget.tuning_trials, "count"),
    ]  # fmt: skip
    of = trial(
        name,
        task,
        budget,
        _rate(number) if number else 1e-3,
        purpose="tune",
        seed=SEARCH_SEED,
        number=number,
    )
    return _record(of, facts)


def finished(name: str, task: str, budget: wp.Budget, rate: float, seed: int, score: float) -> Record:
    facts = [
        _fact("validation_score", score, "fraction"), _fact("best_epoch", 3, "count"),
        Measurement(name="score", value=score, unit="fraction", phase="test", source="accuracy"),
        _fact("chance", 0.5, "fraction"), _fact("total_seconds", 120, "s"),
        _fact("accuracy", score, "fraction"), _fact("test_examples", EXAMPLES, "count"),
    ]  # fmt: skip
    return _record(trial(name, task, budget, rate, purpose="final", seed=seed), facts)


def _fact(name: str, value: float, unit: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, phase="made", source="made")


def _record(of: Trial, facts: list[Measurement]) -> Record:
    setting = Setting(device="cpu", beside=0)
    return Record(
        trial=of, setting=setting, outcome=Outcome(status="completed"), measurements=tuple(facts)
    )


if __name__ == "__main__":
    main()
