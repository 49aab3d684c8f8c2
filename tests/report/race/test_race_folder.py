"""What `check`, `choose` and `report` say about a folder that a race left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whichpeft.analysis.check.check import check
from whichpeft.analysis.choice.what_if import changes
from whichpeft.report import Report

from ... import builders, race_builders

QUALITY = {
    "full": 0.85, "lora": 0.862, "dora": 0.84, "adalora": 0.83, "bitfit": 0.82, "ia3": 0.80,
    "oft": 0.79, "prefix": 0.75, "c3a": 0.66,
}  # fmt: skip


@pytest.fixture(scope="module")
def raced():
    return race_builders.race(QUALITY, seeds=(3, 5))


def test_check_asks_nothing_of_methods_that_left(raced):
    study, race, records = raced
    known = builders.predictions(records)
    assert check(study, records, predictions=known, race=race) == []


@pytest.mark.parametrize(
    ("ended", "severity", "what"),
    [(None, "problem", "the race has not ended"), ("time", "note", "the race ended because its time")],
)
def test_check_says_that_a_race_is_not_over(raced, ended, severity, what):
    study, race, records = raced
    known = builders.predictions(records)
    (found,) = check(study, records, predictions=known, race=replace(race, ended=ended))
    assert found.severity == severity
    assert found.what.startswith(what)


def test_choose_speaks_of_finalists(raced):
    study, race, records = raced
    report = Report(study, records, race=race, predictions=builders.predictions(records))
    choices = report.choose()
    assert "Proved: at most 2.0 points worse than any other of 4 finalists (" in str(choices)
    assert {candidate.method for candidate in choices[0].candidates} <= set(QUALITY)
    assert len(choices[0].candidates) == 4
    assert any("only finalists are compared: the other 5 " in note for note in report.notes)


def test_a_wider_margin_that_changes_nothing_is_not_named(raced):
    study, race, records = raced
    report = Report(study, records, race=race, predictions=builders.predictions(records))
    for margin in (0.5, 1.0, 2.0, 4.0):
        (answer,) = report.choose(margin=margin)
        assert f"{answer.chosen.method} is chosen" not in " ".join(changes(answer))
