"""Makes the frozen table that races are replayed on: real curves of methods x candidates x seeds.

    python benchmarks/race_table.py run digits --out whichpeft-runs/table-digits
    python benchmarks/race_table.py pack digits --out whichpeft-runs/table-digits
    python benchmarks/race_table.py show

On each of three tasks, 12 methods have up to 8 candidates (the default and points of the search), and
each candidate is trained to its end with 5 seeds. `run` takes a quarter of an hour to an hour per task
on two cores, and continues if it was interrupted. `pack` writes what a replay needs into one file of
the fixture in tests/analysis/race/table: validation scores and losses at a quarter, at half and at the end
of training, and which test examples were right. `show` prints what the files contain. Nothing that other
programs disturb is used, so it may run next to them.

The sentences of `sst2` are from the real SST-2: the first 2,000 of train.tsv, of which 256 are trained
on, 240 of dev.tsv and 600 of test.tsv. `shuf --random-source=<(yes) -n 240 dev.tsv` draws the same ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from whichpeft.records import Record, Store

FIXTURE = Path(__file__).resolve().parents[1] / "tests" / "analysis" / "race" / "table"
CANDIDATES, SEEDS, EPOCHS = 8, 5, 4
RUNGS = (1, 2, 4)  # epochs, of four
BASELINE = "full"
_FACTS = b"whichpeft"

TASKS = {
    "digits": ("digits-vit", "digits", 320,
        "full head lora dora adalora ia3 vera oft bitfit ln-tuning series-adapter loreft"),
    "stdlib-docs": ("minilm", "stdlib-docs", 320,
        "full head lora adalora ia3 bitfit c3a p-tuning parallel-adapter top-layers dora oft"),
    "sst2": ("minilm", "sst2", 256,
        "full head lora adalora ia3 bitfit ln-tuning prefix series-adapter loreft hira fourierft"),
}  # fmt: skip
"""Backbone, task, training examples and methods, by the name of the table."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What holds for all trials of a table."""

    task: str
    """Name of the task."""

    backbone: str
    """Name of the backbone."""

    rungs: tuple[int, ...]
    """Optimiser steps after which trials were validated; the last is a whole training."""

    examples: tuple[int, ...]
    """Training examples that a trial had seen at each rung, repetitions included."""

    tests: int
    """Number of test examples."""

    chance: float
    """Test score of the best constant prediction, a fraction."""


@dataclass(frozen=True, kw_only=True)
class FrozenTable:
    """Trials of methods x candidates x seeds. A trial that failed has no scores and nothing right."""

    facts: Facts
    """What holds for all of them."""

    arms: tuple[tuple[str, int], ...]
    """Method and number of each candidate; number 0 has the method's defaults."""

    options: tuple[str, ...]
    """The hyperparameters of each candidate, as written in a study."""

    parameters: NDArray[np.int64]
    """Number of parameters that each candidate trains, shape (arms,)."""

    scores: NDArray[np.float64]
    """Validation scores, shape (arms, seeds, rungs)."""

    losses: NDArray[np.float64]
    """Validation losses, of the same shape."""

    seconds: NDArray[np.float64]
    """Seconds that training took, validation included, shape (arms, seeds)."""

    right: NDArray[np.bool_]
    """Whether each test example was right, shape (arms, seeds, examples)."""


def read(path: Path) -> FrozenTable:
    """Read one file of the fixture."""
    table = pq.read_table(path)
    given = json.loads(table.schema.metadata[_FACTS])
    facts = Facts(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    frame = table.to_pandas()  # sorted by arm and seed
    first = frame.drop_duplicates(["method", "number"])
    shape = (len(first), frame["seed"].nunique())
    bits = np.stack([np.frombuffer(packed, dtype=np.uint8) for packed in frame["right"]])

    def values(name: str) -> NDArray[np.float64]:
        return np.array(frame[name].to_list(), dtype=np.float64).reshape(*shape, -1)

    return FrozenTable(
        facts=facts,
        arms=tuple(zip(first["method"], map(int, first["number"]), strict=True)),
        options=tuple(first["options"]),
        parameters=first["parameters"].to_numpy(np.int64),
        scores=values("scores"),
        losses=values("losses"),
        seconds=values("seconds")[..., 0],
        right=np.unpackbits(bits, axis=1, count=facts.tests).reshape(*shape, -1).astype(bool),
    )


def pack(folder: Path, name: str) -> Path:
    """Write one file of the fixture from the records of a run folder, and return its path."""
    store = Store(folder)
    records = [
        record
        for record in store
        if record.trial.purpose == "final" and record.value("trainable_parameters") != 0
    ]
    whole = next(record for record in records if record.outcome.status == "completed")
    steps, examples = (int(whole.value(key) or 0) for key in ("steps", "examples_trained"))
    facts = Facts(
        task=whole.trial.task,
        backbone=whole.trial.backbone,
        rungs=tuple(steps * epoch // EPOCHS for epoch in RUNGS),
        examples=tuple(examples * epoch // EPOCHS for epoch in RUNGS),
        tests=int(whole.value("test_examples") or 0),
        chance=whole.value("chance") or 0.0,
    )
    numbers = dict(_numbered(store.study().methods))
    frame = pd.DataFrame([_row(record, store, numbers, facts) for record in records])
    frame = frame.sort_values(["method", "number", "seed"], ignore_index=True)
    whole_arms = frame.groupby(["method", "number"])["seed"].transform("count") == SEEDS
    table = pa.Table.from_pandas(frame[whole_arms], schema=_SCHEMA, preserve_index=False)
    table = table.replace_schema_metadata({_FACTS: json.dumps(asdict(facts))})
    FIXTURE.mkdir(parents=True, exist_ok=True)
    path = FIXTURE / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd", compression_level=19)
    return path


_SCHEMA = pa.schema({
    "method": pa.string(), "number": pa.int8(), "options": pa.string(), "seed": pa.int8(),
    "parameters": pa.int32(), "seconds": pa.float32(),
    "scores": pa.list_(pa.float32()), "losses": pa.list_(pa.float32()), "right": pa.binary(),
})  # fmt: skip


def _numbered(methods: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield the methods of a table's study with their places among the candidates of their method."""
    for _, texts in itertools.groupby(methods, key=lambda text: text.partition(":")[0]):
        for number, text in enumerate(texts):
            yield text, number


def _row(record: Record, store: Store, numbers: dict[str, int], facts: Facts) -> dict[str, object]:
    method, _, options = record.trial.method.partition(":")
    row: dict[str, object] = {
        "method": method,
        "number": numbers[record.trial.method],
        "options": options,
        "seed": record.trial.seed,
        "parameters": int(record.value("trainable_parameters") or 0),
        "seconds": sum(record.value("seconds", phase) or 0.0 for phase in ("fit", "validate")),
        "scores": [np.nan] * len(facts.rungs),
        "losses": [np.nan] * len(facts.rungs),
        "right": bytes(-(-facts.tests // 8)),
    }
    arrays = store.predictions(record.trial.fingerprint)
    curve = store.curve(record.trial.fingerprint)
    if record.outcome.status != "completed" or arrays is None or curve is None:
        return row
    right = arrays["outputs"].argmax(axis=1) == arrays["labels"]
    assert abs(right.mean() - (record.value("score") or 0.0)) < 1e-6, "the score is not the accuracy"
    at = {key: rows.set_index("step")["value"] for key, rows in curve.groupby("name")}
    for key, name in (("scores", "validation_score"), ("losses", "validation_loss")):
        # A trial ends with the weights of its best epoch, and the record has their validation.
        row[key] = [*(at[name][step] for step in facts.rungs[:-1]), record.value(name)]
    return row | {"right": np.packbits(right).tobytes()}


def run(name: str, folder: Path, sst2: Path) -> None:
    """Train all candidates of a table, or those that a folder does not have yet."""
    import whichpeft as wp

    backbone, task, max_train, methods = TASKS[name]
    task = str(sst2) if task == "sst2" else task
    budget = wp.Budget(epochs=EPOCHS, max_train=max_train, tuning_trials=CANDIDATES)
    asked = wp.Study(backbone=backbone, task=task, methods=methods.split(), budget=budget)
    budget = wp.Budget(epochs=EPOCHS, max_train=max_train)
    study = wp.Study(
        name=f"table-{name}",
        backbone=backbone,
        task=task,
        methods=list(candidates(asked)),
        seeds=SEEDS,
        baseline=BASELINE,
        budget=budget,
    )
    wp.run(study, out=folder, batch_trials="off")


def candidates(study: object) -> Iterator[str]:
    """Yield the candidates of a study's searches as methods with all their hyperparameters."""
    from whichpeft.backbones import resolve_backbone
    from whichpeft.planning import make_search
    from whichpeft.planning.plan import make_plan
    from whichpeft.planning.tuning import tunable_space
    from whichpeft.running.request import check_request

    with tempfile.TemporaryDirectory() as scratch:
        asked = check_request(study, Path(scratch, "unused"))
        backbones = [resolve_backbone(name) for name in asked.study.backbones]
        plan = make_plan(asked.study, backbones, asked.tasks, asked.methods)
    for cell in plan.accepted:
        yield cell.text
        search = make_search(cell, 0)
        for trial in () if search is None else search.trials[1:]:
            values = {key: trial.hyperparameters[key] for key in tunable_space(cell)}
            yield f"{cell.text}:" + ",".join(f"{key}={value}" for key, value in values.items())


def show(path: Path) -> None:
    """Print what a file contains: the default and the best candidate of each method, by test score."""
    table = read(path)
    test = table.right.mean(axis=(1, 2))
    print(f"\n{path.stem}: {path.stat().st_size:,} bytes, {table.facts}")
    for method, own in itertools.groupby(enumerate(table.arms), key=lambda arm: arm[1][0]):
        places = [place for place, _ in own]
        best = max(places, key=lambda place: test[place])
        failed = int(np.isnan(table.scores[places]).any(axis=2).sum())
        print(
            f"{method:>18}: {len(places)} candidates, default {100 * test[places[0]]:.1f}, best "
            f"{100 * test[best]:.1f} ({table.options[best] or 'default'}), {failed} failed"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "pack", "show"))
    parser.add_argument("name", nargs="?", choices=TASKS, help="for run and pack")
    parser.add_argument("--out", type=Path, help="the run folder of run and pack")
    parser.add_argument("--sst2", type=Path, default=Path("sst2"), help="folder of the drawn sentences")
    given = parser.parse_args()
    if given.what != "show" and (given.name is None or given.out is None):
        parser.error(f"{given.what} needs the name of a table and --out")
    if given.what == "run":
        run(given.name, given.out, given.sst2)
    elif given.what == "pack":
        show(pack(given.out, given.name))
    else:
        for path in sorted(FIXTURE.glob("*.parquet")):
            show(path)


if __name__ == "__main__":
    main()
