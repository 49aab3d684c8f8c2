"""What tuning shows about the defaults: from run folders to a CSV of all tuning trials and a table.

    python benchmarks/tuning_summary.py whichpeft-runs/tuned-study --csv docs/defaults/tuning.csv

The CSV has one line per tuning trial. The table has one line per method and task: the validation score
of the default, the best score with its learning rate, and every rate within a point of the best that
was not stopped early. docs/defaults.md describes which defaults follow from it.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from whichpeft.records import Record, Store
from whichpeft.records.selection import best_trial, validation_score

COLUMNS = (
    "task", "data", "backbone", "method", "number", "hyperparameters", "status", "steps",
    "validation_score",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    records = [r for folder in asked.folders for r in Store(folder) if r.trial.purpose == "tune"]
    records.sort(key=lambda r: (r.trial.task, r.trial.method, r.trial.number or 0))
    if asked.csv:
        _write(records, asked.csv)
    print(
        "| method | task | default | its rate | best | its rate | other choices | rates within a point |"
    )
    print("| --- | --- | --: | --: | --: | --: | --- | --- |")
    for key in dict.fromkeys((r.trial.method, r.trial.task) for r in records):
        print(_line(*key, [r for r in records if (r.trial.method, r.trial.task) == key]))


def _line(method: str, task: str, search: list[Record]) -> str:
    best = best_trial(search)
    default = next(record for record in search if record.trial.number == 0)
    if best is None:
        return f"| `{method}` | {task} | no trial finished | | | | | |"
    top = validation_score(best) or 0.0
    near = sorted(
        _rate(r)
        for r in search
        if r.outcome.status == "completed" and (validation_score(r) or 0.0) >= top - 0.01
    )
    usual = default.trial.hyperparameters
    others = ", ".join(
        f"{key}={value}"
        for key, value in best.trial.hyperparameters.items()
        if key not in ("learning_rate", "lora_alpha", "init_r") and usual.get(key) != value
    )
    first = 100 * (validation_score(default) or 0.0)
    return (
        f"| `{method}` | {task} | {first:.1f} | {_rate(default):.2g} | {100 * top:.1f} "
        f"| {_rate(best):.2g} | {others} | {', '.join(f'{rate:.2g}' for rate in near)} |"
    )


def _rate(record: Record) -> float:
    return float(record.trial.hyperparameters["learning_rate"])


def _write(records: list[Record], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for record in records:
            trial, score = record.trial, validation_score(record)
            options = ";".join(f"{key}={value}" for key, value in trial.hyperparameters.items())
            row = (
                trial.task, trial.data, trial.backbone, trial.method, trial.number, options,
                record.outcome.status, int(record.value("steps") or 0),
                "" if score is None else f"{score:.4f}",
            )  # fmt: skip
            writer.writerow(row)


if __name__ == "__main__":
    main()
