"""What `whichpeft auto` saves, and what it gives up: its choice against that of an exhaustive study.

    python benchmarks/auto_against_exhaustive.py digits --folder whichpeft-runs/against
    python benchmarks/auto_against_exhaustive.py many-digits --folder whichpeft-runs/against
    python benchmarks/auto_against_exhaustive.py sst2 --exhaustive whichpeft-runs/table-sst2

The exhaustive study trains all candidates of all methods (the default and 7 points of the search) to the
end with 5 seeds, and `choose` takes the cheapest of them within 2 points of the best. `auto` gets the
same methods, data and budget, and no limit of time, so that its examples do not depend on the machine.
Both minimise the trainable parameters, which no other program disturbs. Then both choices, and the
candidate with the highest score of the exhaustive study, are trained on ten seeds that neither has seen.

Prints both choices, the training examples of both and their ratio, and the gap in points with its 95 %
interval: the choice of `auto` minus that of the exhaustive study, and minus the highest.

`--ratio 8` bounds the race to an eighth of the exhaustive study's examples; by default it has no bound.
An existing run folder of race_table.py can be given as --exhaustive. All parts continue after an
interruption. On two cores the exhaustive study takes a quarter of an hour on `digits`, 40 minutes on
`many-digits`, and an hour on the others; `auto` takes a tenth of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

import race_table
import whichpeft as wp
from whichpeft.analysis.statistics.gap import paired_gap
from whichpeft.records import Record, Store
from whichpeft.report import Report

BY = "trainable"
FRESH_SEEDS = range(100, 110)

MANY = (
    "full head top-layers lora dora rslora pissa olora adalora ia3 vera oft boft bitfit ln-tuning "
    "series-adapter parallel-adapter loreft hira fourierft c3a loha lokr randlora delora gralora "
    "miss hra shira waveft"
)
TASKS = race_table.TASKS | {"many-digits": ("digits-vit", "digits", 320, MANY)}


def exhaustive_choice(folder: Path) -> tuple[str, str]:
    """Return what `choose` takes from a folder, and the candidate with the highest score."""
    (answer,) = Report.read(folder).choose(by=BY)
    assert answer.chosen is not None
    scored = [c for c in answer.candidates if c.trains and c.score.mean is not None]
    return answer.chosen.method, max(scored, key=lambda c: c.score.mean or 0.0).method


def auto_choice(
    name: str, sst2: Path, folder: Path, known: Mapping[str, str], examples: int | None
) -> tuple[str, str]:
    """Return the choice of a race as a method with all its hyperparameters, and what it is based on."""
    backbone, task, max_train, methods = TASKS[name]
    answer = wp.auto(
        out=folder,
        backbone=backbone,
        task=str(sst2) if task == "sst2" else task,
        methods=methods.split(),
        budget=wp.Budget(epochs=race_table.EPOCHS, max_train=max_train),
        by=BY,
        examples=examples,
    )
    finals = (r for r in Store(folder) if r.trial.purpose == "final" and r.trial.method == answer.method)
    return known[_hyperparameters(next(finals))], "proved" if answer.proved else "best bet"


def by_hyperparameters(records: Iterable[Record]) -> dict[str, str]:
    """Return the names of an exhaustive study's candidates by method and hyperparameters."""
    return {_hyperparameters(record): record.trial.method for record in records}


def _hyperparameters(record: Record) -> str:
    method = record.trial.method.partition(":")[0]
    return f"{method} {sorted(record.trial.hyperparameters.items(), key=str)}"


def examples_of(folder: Path) -> int:
    """Return the training examples of all trials in a folder; the rungs of an arm are one trial."""
    found: dict[object, float] = {}
    for record in Store(folder):
        trial = record.trial
        arm = trial.purpose if trial.purpose == "final" else "screen"
        key = arm, trial.seed, _hyperparameters(record)
        found[key] = max(found.get(key, 0.0), record.value("examples_trained", "fit") or 0.0)
    return round(sum(found.values()))


def test(name: str, sst2: Path, folder: Path, methods: Iterable[str]) -> dict[str, np.ndarray]:
    """Train candidates on fresh seeds; return which test examples were right, by candidate."""
    backbone, task, max_train, _ = TASKS[name]
    asked = list(dict.fromkeys(methods))
    study = wp.Study(
        backbone=backbone,
        task=str(sst2) if task == "sst2" else task,
        methods=asked,
        seeds=list(FRESH_SEEDS),
        baseline=asked[0],
        budget=wp.Budget(epochs=race_table.EPOCHS, max_train=max_train),
    )
    wp.run(study, out=folder, batch_trials="off")
    right: dict[str, list[np.ndarray]] = {method: [] for method in asked}
    store = Store(folder)
    finals = [r for r in store if r.trial.purpose == "final" and r.trial.method in right]
    for record in sorted(finals, key=lambda record: record.trial.seed):
        arrays = store.predictions(record.trial.fingerprint)
        assert arrays is not None, f"{record.trial.method} failed: {record.outcome.reason}"
        right[record.trial.method].append(arrays["outputs"].argmax(axis=1) == arrays["labels"])
    return {method: np.array(own, dtype=float) for method, own in right.items()}


def gap(right: Mapping[str, np.ndarray], one: str, other: str) -> str:
    """Return the score of a candidate minus that of another, in points, with its interval."""
    if one == other:
        return "the same"
    found = paired_gap(right[one], right[other], rng=np.random.default_rng(0))
    assert found.low is not None
    assert found.high is not None
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=TASKS)
    parser.add_argument("--folder", type=Path, default=Path("whichpeft-runs", "against"))
    parser.add_argument("--exhaustive", type=Path, help="an existing folder of the exhaustive study")
    parser.add_argument("--sst2", type=Path, default=Path("sst2"), help="folder of the drawn sentences")
    parser.add_argument("--ratio", type=float, help="the race may use this many times fewer examples")
    given = parser.parse_args()
    folder = given.folder / given.name
    exhaustive = given.exhaustive or folder / "exhaustive"
    if given.exhaustive is None:
        race_table.run(TASKS[given.name], exhaustive, given.sst2)
    chosen, highest = exhaustive_choice(exhaustive)
    candidates = by_hyperparameters(Store(exhaustive))
    whole = examples_of(exhaustive)
    race = folder / ("auto" if given.ratio is None else f"auto-{given.ratio:g}")
    most = None if given.ratio is None else int(whole / given.ratio)
    found, basis = auto_choice(given.name, given.sst2, race, candidates, most)
    raced = examples_of(race)
    right = test(given.name, given.sst2, folder / "fresh", (chosen, found, highest))
    heads = (
        "task", "methods", "exhaustive chose", "auto chose", "exhaustive, examples", "auto", "ratio",
        "gap, points", "gap to the highest",
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |\n| --- | --: | --- | --- |{' --: |' * 5}")
    print(
        f"| {given.name} | {len(TASKS[given.name][-1].split())} | `{chosen}` | `{found}` ({basis}) "
        f"| {whole:,} | {raced:,} | {whole / raced:.1f}x | {gap(right, found, chosen)} "
        f"| {gap(right, found, highest)} |"
    )
    for method, own in right.items():
        print(f"# {method}: {100 * own.mean():.1f} on {len(own)} fresh seeds")


if __name__ == "__main__":
    main()
