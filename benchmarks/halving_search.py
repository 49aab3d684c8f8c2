"""What early stopping saves: whichpeft's search against an exhaustive grid of learning rates.

    python benchmarks/halving_search.py

For each method, on the embedded task, it runs a grid of learning rates over the method's search range,
every rate trained to its end, and whichpeft's search over the same range with its default number of
trials. Both choose on validation data with one seed. Then both choices are trained on further seeds and
tested. Prints training examples, their ratio, the choices, and the gap with its interval. It measures
no costs, so it may run next to other programs.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import whichpeft as wp
from whichpeft.analysis.statistics.gap import paired_gap
from whichpeft.engine import TuneWork
from whichpeft.executors import LocalExecutor, SilentObserver
from whichpeft.methods import LogRange
from whichpeft.planning import make_search
from whichpeft.records import Record, Store
from whichpeft.records.selection import SEARCH_SEED, best_trial
from whichpeft.running.request import check_request
from whichpeft.running.setup import make_job, resources_for, set_up

METHODS = (
    "full", "lora:r=8,lora_dropout=0.0", "bitfit", "ia3", "prefix:num_virtual_tokens=20", "head",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", action="append", help="replaces the six; may be repeated")
    parser.add_argument("--task", default="stdlib-docs")
    parser.add_argument("--points", type=int, default=16, help="learning rates of the grid")
    parser.add_argument("--trials", type=int, default=8, help="trials of the search")
    parser.add_argument("--seeds", type=int, default=5, help="seeds that both choices are tested on")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--jobs", type=int)
    asked = parser.parse_args()
    heads = ["method", "grid chose", "search chose", "grid, examples", "search", "ratio", "gap, points"]
    print(f"| {' | '.join(heads)} |\n| --- |{' --: |' * (len(heads) - 1)}")
    with tempfile.TemporaryDirectory() as scratch:
        for number, method in enumerate(asked.method or METHODS):
            folder = Path(scratch, str(number))
            print(_line(method, asked, folder), flush=True)


def _line(method: str, asked: argparse.Namespace, folder: Path) -> str:
    budget = wp.Budget(epochs=asked.epochs, tuning_trials=asked.trials)
    grid = _grid(method, asked, budget, folder / "grid")
    search = _search(method, asked, budget, folder / "search")
    best = [best_trial(records) for records in (grid, search)]
    rates = [record.trial.hyperparameters["learning_rate"] for record in best if record is not None]
    seen = [
        sum(record.value("examples_trained") or 0 for record in records) for records in (grid, search)
    ]
    return (
        f"| `{method}` | {rates[0]:.2g} | {rates[1]:.2g} | {seen[0]:,.0f} | {seen[1]:,.0f} "
        f"| {seen[0] / seen[1]:.1f}x | {_gap(method, rates, asked, folder / 'test')} |"
    )


def _grid(method: str, asked: argparse.Namespace, budget: wp.Budget, folder: Path) -> list[Record]:
    """Train every rate of the grid to its end, in the search's range and with its seed."""
    study = wp.Study(backbone="minilm", task=asked.task, methods=[method], budget=budget)
    folder.mkdir(parents=True)
    setup = set_up(check_request(study, folder / "out"), folder, LocalExecutor("cpu", asked.jobs))
    cell = next(setup.plan.accepted)
    search = make_search(cell, SEARCH_SEED)
    assert search is not None
    space = cell.method.search_space["learning_rate"]
    assert isinstance(space, LogRange)
    jobs = []
    for i, rate in enumerate(np.geomspace(space.low, space.high, asked.points)):
        tried = cell.unresolved.with_options({"learning_rate": float(rate)}).resolved_for(cell.backbone)
        point = replace(cell, method=tried)
        jobs.append(make_job(point.tuning_trial(i, SEARCH_SEED), point, setup, TuneWork()))
    return [
        result.record
        for _, result in setup.executor.run(jobs, resources_for(study, setup), SilentObserver())
    ]


def _search(method: str, asked: argparse.Namespace, budget: wp.Budget, folder: Path) -> list[Record]:
    """Run whichpeft's own search, as a user would, and return its tuning trials."""
    study = wp.Study(backbone="minilm", task=asked.task, methods=[method], seeds=1, budget=budget)
    wp.run(study, out=folder, device="cpu", jobs=asked.jobs, observer=SilentObserver())
    return [record for record in Store(folder) if record.trial.purpose == "tune"]


def _gap(method: str, rates: list[float], asked: argparse.Namespace, folder: Path) -> str:
    """Test both choices on the same seeds; return the search's score minus the grid's."""
    if rates[0] == rates[1]:
        return "the same rate"
    join = "," if ":" in method else ":"
    names = [f"{method}{join}learning_rate={rate!r}" for rate in rates]
    study = wp.Study(
        backbone="minilm",
        task=asked.task,
        methods=names,
        seeds=asked.seeds,
        budget=wp.Budget(epochs=asked.epochs),
        baseline=names[0],
    )
    wp.run(study, out=folder, device="cpu", jobs=asked.jobs, observer=SilentObserver())
    right: dict[str, list[np.ndarray]] = {name: [] for name in names}
    store = Store(folder)
    finals = [r for r in store if r.trial.purpose == "final" and r.trial.method in right]
    for record in sorted(finals, key=lambda record: record.trial.seed):
        arrays = store.predictions(record.trial.fingerprint)
        assert arrays is not None
        right[record.trial.method].append(arrays["outputs"].argmax(1) == arrays["labels"])
    grid, search = (np.array(right[name], dtype=float) for name in names)
    gap = paired_gap(search, grid, rng=np.random.default_rng(0))
    assert gap.low is not None
    assert gap.high is not None
    return f"{100 * gap.mean:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"


if __name__ == "__main__":
    main()
