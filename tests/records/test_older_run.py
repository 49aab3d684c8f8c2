"""A run folder that an earlier version wrote still loads, prints the same numbers and can be resumed.

``fossils/older-run`` is the folder, unchanged. Next to its records are the table and the choice that the
same version printed: ``report.json``, ``report.csv`` and ``choose.json``. Measurements are the same, and
what is concluded from them follows today's rule.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from whichpeft.records import Store
from whichpeft.report import Report
from whichpeft.tasks import load_task

FOLDER = Path(__file__).parent / "fossils" / "older-run"
RECORDS = sorted((FOLDER / "records").glob("*.json"))


@pytest.fixture(scope="module")
def report() -> Report:
    return Report.read(FOLDER)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_keeps_its_fingerprint_and_its_text(path: Path, tmp_path: Path) -> None:
    (record,) = (r for r in Store(FOLDER) if r.trial.fingerprint == path.stem)
    Store(tmp_path).add(record)
    assert (tmp_path / "records" / path.name).read_text() == path.read_text()


def test_the_study_keeps_its_options(report: Report) -> None:
    assert report.study.conditions.precision == "float32"
    assert report.study.conditions.gradient_checkpointing
    assert report.study.budget.micro_batch == 8


def printed_before(name: str) -> str:
    """What the older version printed, with the one sentence that reads otherwise now."""
    text = (FOLDER / name).read_text().rstrip()
    assert "came to an end" in text
    return text.replace("no tuning trial came to an end", "no tuning trial finished")


JUDGED = {
    "score_low",
    "score_high",
    "gap_low",
    "gap_high",
    "verdict_low",
    "verdict_high",
    "p_value",
    "p_adjusted",
    "seed_degrees_of_freedom",
    "verdict",
    "decided_with_seeds",
    "proved_margin",
    "probability",
    "frontier_probability",
}
"""What depends on how intervals and verdicts are computed."""


NOT_MEASURED_THEN = {"taken_share", "residues_per_second"}


def measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key not in JUDGED | NOT_MEASURED_THEN}
        for row in rows
    ]


def test_the_rows_have_the_numbers_that_were_printed_before(report: Report) -> None:
    assert measured(json.loads(report.to_json())) == measured(json.loads(printed_before("report.json")))
    now, before = (
        list(csv.DictReader(io.StringIO(text)))
        for text in (report.to_csv(), printed_before("report.csv"))
    )
    assert measured(now) == measured(before)


def test_the_choice_rests_on_the_numbers_that_were_printed_before(report: Report) -> None:
    (before,), (now,) = (
        json.loads(text) for text in ((FOLDER / "choose.json").read_text(), report.choose().to_json())
    )
    concluded = {"allowed", "chosen", "excluded", "gap_mean", "gap_low", "gap_high"} | JUDGED
    for key in ("backbone", "tasks", "metric", "by", "margin", "limits"):
        assert now[key] == before[key]
    for answer in (before, now):
        for candidate in answer["candidates"]:
            for key in concluded:
                candidate.pop(key, None)
    assert now["candidates"] == before["candidates"]
    assert (now["method"], now["basis"]) == (before["method"], before["basis"]) == ("head", "best bet")
    assert now["chance"] == pytest.approx(0.07, abs=0.01)


@pytest.mark.slow
def test_nothing_is_left_to_run_in_it(tmp_path: Path) -> None:
    data = json.loads(RECORDS[0].read_text())["trial"]["data"]
    if load_task(Store(FOLDER).study().tasks[0]).fingerprint != data:
        pytest.skip("this Python's standard library has other documentation than the one of the run")
    folder = tmp_path / "run"
    shutil.copytree(FOLDER, folder)
    command = [
        sys.executable,
        "-m",
        "whichpeft",
        "run",
        str(folder / "study.yaml"),
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # one method fails in it, by design
    assert sorted(p.name for p in (folder / "records").glob("*.json")) == [p.name for p in RECORDS]
