"""The notebook's methods, examples and epochs, run by whichpeft through its public library.

It runs as a process of its own, started by ``notebook_protocol.py``. The study also profiles every
method and reads the test split once. The notebook does neither, and both count here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import whichpeft as wp
from whichpeft.records import Record, Store


def row(record: Record) -> dict[str, float | None]:
    """Return a final trial's seconds by phase, the trials that ran side by side, and its score."""
    return {
        "fit_seconds": record.value("seconds", "fit"),
        "validate_seconds": record.value("seconds", "validate"),
        "side_by_side": record.setting.beside + 1,
        "score": record.value("score"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train, dev and test.tsv")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the run and result.json")
    parser.add_argument("--method", action="append", required=True)
    given = parser.parse_args()

    study = wp.Study(
        name="notebook-protocol",
        backbone="minilm",
        task=wp.TaskSource(name=str(given.data)),
        methods=given.method,
        seeds=1,
        budget=wp.Budget(epochs=given.epochs, batch_size=given.batch_size),
    )
    run = given.out / "run"
    wp.run(study, out=run)

    finals = [record for record in Store(run) if record.trial.purpose == "final"]
    for record in finals:
        if record.outcome.status != "completed":
            raise SystemExit(f"{record.trial.method}: {record.outcome.status}: {record.outcome.reason}")
    methods = {r.trial.method: row(r) for r in finals if r.trial.method in given.method}
    first = finals[0]
    note = (
        f"{first.setting.precision} on {first.setting.device}, "
        f"{first.trial.conditions.threads} thread per trial, "
        f"up to {max(r.setting.beside for r in finals) + 1} trials side by side"
    )
    (given.out / "result.json").write_text(json.dumps({"methods": methods, "note": note}))


# whichpeft starts processes, which on some systems import this file again.
if __name__ == "__main__":
    main()
