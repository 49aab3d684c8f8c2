"""Makes the frozen table that races are replayed on: real curves of methods x candidates x seeds.

    python benchmarks/race_table.py run digits --out whichpeft-runs/table-digits
    python benchmarks/race_table.py pack digits --out whichpeft-runs/table-digits
    python benchmarks/race_table.py show

On each of three tasks, 12 methods have up to 8 candidates (the default and points of the search), and
each candidate is trained to its end with 5 seeds. `run` takes a quarter of an hour to an hour per task
on two cores, and continues if it was interrupted. `pack` writes what a replay needs into one file of
the fixture in tests/analysis/race/table: validation scores and losses at a quarter, half and the end of
training, and which test examples were right. `show` prints what the files contain. Nothing that other
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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from whichpeft.analysis.race.replay import Table
from whichpeft.records import Record, Store
from whichpeft.records.race import Arm
from whichpeft.study import Study

FIXTURE = Path(__file__).resolve().parents[1] / "tests" / "analysis" / "race" / "table"
CANDIDATES, SEEDS, EPOCHS = 8, 5, 4
RUNGS = (1, 2, 4)  # epochs, of four
BASELINE = "full"
_FACTS = b"whichpeft"

TASKS = {
    "digits": ("digits-vit", "digits", 320,
        "full head lora dora adalora ia3 vera oft bitfit ln-tuning series-adapter loreft"),
    "stdlib-docs": ("minilm", "stdlib-docs", 192,
        "full head lora adalora ia3 bitfit c3a p-tuning parallel-adapter top-layers dora oft"),
    "sst2": ("minilm", "sst2", 256,
        "full head lora adalora ia3 bitfit ln-tuning prefix series-adapter loreft hira fourierft"),
}  # fmt: skip
"""Backbone, task, training examples and methods, by the name of the table."""


def read(path: Path) -> Table:
    """Read one file of the fixture. Costs are the parameters that a candidate trains."""
    frame, facts = read_rows(path)
    first = frame.drop_duplicates(["method", "number"])
    shape = (len(first), frame["seed"].nunique())
    bits = np.stack([np.frombuffer(packed, dtype=np.uint8) for packed in frame["right"]])
    right = np.unpackbits(bits, axis=1, count=facts["tests"]).astype(bool)
    scores, losses = (
        np.array(frame[name].to_list(), dtype=np.float64).reshape(*shape, len(facts["rungs"]))
        for name in ("scores", "losses")
    )
    return Table(
        arms=tuple(
            Arm(method=m, number=n) for m, n in zip(first["method"], first["number"], strict=True)
        ),
        steps=tuple(facts["rungs"]),
        scores=scores,
        losses=losses,
        correct=right.reshape(*shape, facts["tests"]),
        costs=first["parameters"].to_numpy(np.float64),
        examples=facts["examples"],
        chance=facts["chance"],
    )


def read_rows(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read the trials of a file, sorted by arm and seed, and what holds for all of them."""
    table = pq.read_table(path)
    return table.to_pandas(), json.loads(table.schema.metadata[_FACTS])


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
    facts = {
        "task": whole.trial.task,
        "backbone": whole.trial.backbone,
        "rungs": [steps * epoch // EPOCHS for epoch in RUNGS],
        "examples": examples,  # of a whole trial, each counted once per epoch
        "tests": int(whole.value("test_examples") or 0),
        "chance": whole.value("chance"),
    }
    numbers = dict(_numbered(store.study().methods))
    frame = pd.DataFrame([_row(record, store, numbers, facts) for record in records])
    frame = frame.sort_values(["method", "number", "seed"], ignore_index=True)
    # An unfinished folder gives the seeds that all candidates have.
    found = frame.groupby("seed")["method"].transform("count") == frame.groupby("seed").size().max()
    table = pa.Table.from_pandas(frame[found], schema=_SCHEMA, preserve_index=False)
    table = table.replace_schema_metadata({_FACTS: json.dumps(facts)})
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


def _row(
    record: Record, store: Store, numbers: dict[str, int], facts: dict[str, Any]
) -> dict[str, object]:
    method, _, options = record.trial.method.partition(":")
    row: dict[str, object] = {
        "method": method,
        "number": numbers[record.trial.method],
        "options": options,
        "seed": record.trial.seed,
        "parameters": int(record.value("trainable_parameters") or 0),
        "seconds": sum(record.value("seconds", phase) or 0.0 for phase in ("fit", "validate")),
        "scores": [np.nan] * len(facts["rungs"]),
        "losses": [np.nan] * len(facts["rungs"]),
        "right": bytes(-(-facts["tests"] // 8)),
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
        row[key] = [*(at[name][step] for step in facts["rungs"][:-1]), record.value(name)]
    return row | {"right": np.packbits(right).tobytes()}


def run(what: tuple[str, str, int, str], folder: Path, sst2: Path) -> None:
    """Train all candidates of an entry of `TASKS`, or those that a folder does not have yet."""
    import whichpeft as wp

    backbone, task, max_train, methods = what
    task = str(sst2) if task == "sst2" else task
    budget = wp.Budget(epochs=EPOCHS, max_train=max_train, tuning_trials=CANDIDATES)
    asked = wp.Study(backbone=backbone, task=task, methods=methods.split(), budget=budget)
    budget = wp.Budget(epochs=EPOCHS, max_train=max_train)
    study = wp.Study(
        name=folder.name,
        backbone=backbone,
        task=task,
        methods=list(candidates(asked)),
        seeds=SEEDS,
        baseline=BASELINE,
        budget=budget,
    )
    wp.run(study, out=folder, batch_trials="off")


def candidates(study: Study) -> Iterator[str]:
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
    rows, facts = read_rows(path)
    table = read(path)
    options = rows["options"].to_list()[::SEEDS]
    failed = np.atleast_1d(np.isnan(table.scores).any(axis=(1, 2)))
    print(f"\n{path.stem}: {path.stat().st_size:,} bytes, {facts}; best {100 * table.best:.1f}")
    for method in table.methods:
        own = [place for place, arm in enumerate(table.arms) if arm.method == method]
        best = max(own, key=lambda place: table.true_scores[place])
        default, most = (100 * table.true_scores[place] for place in (own[0], best))
        print(
            f"{method:>18}: {len(own)} candidates, default {default:.1f}, best {most:.1f} "
            f"({options[best] or 'default'}), {failed[own].sum()} failed"
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
        run(TASKS[given.name], given.out, given.sst2)
    elif given.what == "pack":
        show(pack(given.out, given.name))
    else:
        for path in sorted(FIXTURE.glob("*.parquet")):
            show(path)


if __name__ == "__main__":
    main()
