"""The rows of a race: how far each method came, what it took, and why it left."""

from __future__ import annotations

import json

import pytest

from whichpeft.records import Entrant, Store
from whichpeft.report import Report
from whichpeft.report.race.answer import AutoAnswer
from whichpeft.report.race.rows import RACE_COLUMNS

from ... import builders, race_builders

QUALITY = {
    "full": 0.86, "lora": 0.85, "dora": 0.84, "adalora": 0.83, "bitfit": 0.82, "ia3": 0.80,
    "oft": 0.79, "ln-tuning": 0.77, "prefix": 0.75, "head": 0.70, "c3a": 0.66, "hra": 0.80,
}  # fmt: skip
OUT = (
    Entrant(method="xlora", out="refused", reason="needs adapters that are trained already"),
    Entrant(method="top-layers", out="over a limit", reason="trainable 40 % is over 5 %"),
)


@pytest.fixture(scope="module")
def answer():
    study, race, records = race_builders.race(QUALITY, out=OUT, seeds=(3, 5), fails=["hra"])
    return AutoAnswer(Report(study, records, race=race, predictions=builders.predictions(records)))


@pytest.fixture(scope="module")
def rows(answer):
    return {row["method"]: row for row in answer.race}


def test_every_method_has_a_row_with_every_key(rows):
    assert list(rows) == [*QUALITY, "xlora", "top-layers"]
    assert all(list(row) == list(RACE_COLUMNS) for row in rows.values())


def test_methods_that_did_not_race_come_with_the_reason(rows):
    assert rows["xlora"]["left"] == "refused"
    assert rows["top-layers"]["dropped_because"] == "trainable 40 % is over 5 %"
    assert rows["xlora"]["arms"] == 0
    assert rows["xlora"]["units"] == 0


def test_a_dropped_method_says_at_which_rung_and_what_it_took(rows):
    c3a = rows["c3a"]
    assert (c3a["left"], c3a["dropped_at"], c3a["arms"]) == ("dropped", 0.25, 3)
    assert c3a["dropped_because"].endswith("of 36 arms after a quarter of training; 13 continued")
    assert c3a["units"] == pytest.approx(0.75 + 0.75 * c3a["audited"])
    assert c3a["examples"] == pytest.approx(1024 * c3a["units"])


def test_a_method_that_failed_is_not_called_dropped(rows):
    assert rows["hra"]["left"] == "failed"
    assert rows["hra"]["dropped_because"] == "the loss is not finite"


def test_an_audited_method_was_dropped_and_still_trained_to_the_end(rows):
    audited = [row for row in rows.values() if row["audited"]]
    assert audited
    assert all(row["rung"] == 1.0 and row["dropped_at"] == 0.25 for row in audited)


def test_finalists_have_seeds_and_places_at_every_rung(rows):
    finalists = [name for name, row in rows.items() if row["finalist"]]
    assert len(finalists) == 4
    assert "full" in finalists
    assert sorted(len(rows[name]["seeds"]) for name in finalists) == [3, 5, 5, 5]
    assert set(rows["full"]["rank_by_rung"]) == {"0.25", "0.5", "1"}
    behind = next(name for name in finalists if len(rows[name]["seeds"]) == 3)
    assert rows[behind]["left"] == "fell behind"


def test_a_finalist_counts_its_final_trials_too(rows):
    assert rows["full"]["units"] == pytest.approx(rows["full"]["examples"] / 1024)
    assert rows["full"]["units"] > 5


def test_the_json_has_no_unknown_numbers_and_adds_up(answer):
    found = json.loads(answer.to_json())
    assert found["method"] == answer.method
    total = sum(part["examples"] for part in found["spent"])
    assert total == sum(row["examples"] for row in found["race"])
    assert found["exhaustive_units"] == 12 * (3 + 5)


def test_a_folder_with_a_race_is_read_with_it(tmp_path):
    study, race, records = race_builders.race(QUALITY)
    store = Store(tmp_path)
    store.keep_study(study)
    store.keep_race(race)
    for record in records:
        store.add(record)
    report = Report.read(tmp_path)
    assert report.race == race
    assert {row["method"] for row in report.rows} == set(AutoAnswer(report).course.finalists)
