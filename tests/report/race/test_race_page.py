"""A race on the page and as figures: the ladder, where the training went, why methods left."""

from __future__ import annotations

import re

import pytest

from whichpeft.records import Entrant
from whichpeft.report import Report
from whichpeft.report.figure_set import all_figures, race_figures
from whichpeft.report.figures.figure import PRINT, SCREEN
from whichpeft.report.page.page import page

from ... import builders, race_builders

QUALITY = {
    "full": 0.85, "lora": 0.862, "dora": 0.84, "adalora": 0.83, "bitfit": 0.82, "ia3": 0.80,
    "oft": 0.79, "ln-tuning": 0.77, "prefix": 0.75, "head": 0.70, "c3a": 0.66, "hra": 0.80,
}  # fmt: skip
OUT = (Entrant(method="<b>top</b>", out="over a limit", reason="trainable 40 % is over 5 %"),)


def report_of(**how):
    study, race, records = race_builders.race(QUALITY, **how)
    return Report(study, records, race=race, predictions=builders.predictions(records))


@pytest.fixture(scope="module")
def report():
    return report_of(out=OUT, seeds=(3, 5), fails=["hra"])


@pytest.mark.parametrize("size", [PRINT, *SCREEN])
def test_the_figures_are_drawn_at_every_size(report, size):
    for figure in race_figures(report.contents.course, size).values():
        assert figure.chart.to_dict(validate=True)
        assert not figure.empty_because


def test_the_ladder_has_a_line_for_each_arm_that_worked(report):
    rows = race_figures(report.contents.course, PRINT)["race-ladder"].rows
    arms = {(row["method"], row["candidate"]) for row in rows}
    assert len(arms) == 11 * 3
    shares = [row["share_of_training"] for row in rows if row["method"] == "c3a"]
    assert set(shares) <= {0.25, 1.0}
    assert {row["stage"] for row in rows} == {"screen", "audit"}
    ended = {row["method"] for row in rows if row["share_of_training"] == 1.0}
    assert {"full", "lora"} <= ended


def test_lines_of_dropped_arms_that_were_trained_on_are_dashed(report):
    spec = race_figures(report.contents.course, PRINT)["race-ladder"].chart.to_dict()
    dashed = [layer for layer in spec["layer"] if "strokeDash" in layer["mark"]]
    (layer,) = dashed
    drawn = {row["method"] for row in layer["data"]["values"]}
    assert drawn == report.contents.course.audited


def test_the_bars_add_up_to_what_the_race_took(report):
    course = report.contents.course
    rows = race_figures(course, PRINT)["race-spending"].rows
    race = sum(row["whole_trainings"] for row in rows if row["study"] == "this race")
    assert race == pytest.approx(sum(course.spent(m)[0] for m in QUALITY) / 1024)
    whole = sum(row["whole_trainings"] for row in rows if row["study"] == "exhaustive study")
    assert whole == 12 * (3 + 5)


def test_written_figures_include_those_of_the_race(report):
    names = list(all_figures(report.contents, PRINT))
    assert names[:2] == ["race-ladder", "race-spending"]


def test_the_page_has_answer_finalists_and_race_in_this_order(report):
    text = page(report.contents)
    found = re.findall(r'<(?:div|section)(?: class="comparison")? id="([\w-]+)"', text)
    assert [one for one in found if one in ("answer", "comparison-0", "race")] == [
        "answer", "comparison-0", "race",
    ]  # fmt: skip
    assert "At most 2.0 points worse than any other" in text
    assert "any other method tried" not in text
    assert "&lt;b&gt;top&lt;/b&gt;" in text
    assert "<b>top</b>" not in text
    assert "trainable 40 % is over 5 %" in text


@pytest.mark.parametrize("until", [0, 1, 2, 3])
def test_the_page_fills_while_the_race_runs(until):
    report = report_of(until=until)
    text = page(report.contents)
    assert 'id="race"' in text
    assert 'id="comparison-0"' not in text
    assert "still race" in text
    assert report.rows == []
