"""The race's section in a browser: drawn without requests, sorted, and highlighted by method."""

from __future__ import annotations

import pytest

from whichpeft.report import Report

from ... import race_builders

QUALITY = {
    "full": 0.85, "lora": 0.862, "dora": 0.84, "bitfit": 0.82, "ia3": 0.80, "oft": 0.79,
    "prefix": 0.75, "head": 0.70, "c3a": 0.66, "hra": 0.80,
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    study, race, records = race_builders.race(QUALITY, fails=["hra"])
    path = tmp_path_factory.mktemp("race") / "report.html"
    Report(study, records, race=race).write_html(path)
    return path


@pytest.mark.parametrize("width", [400, 1200])
def test_the_section_is_drawn_at_any_width_without_requests(open_page, written, width):
    opened = open_page(written, viewport={"width": width, "height": 900})
    opened.drawn()
    marks = opened.marks()
    assert marks["figure-race-0"] > 20
    assert marks["figure-race-1"] > 4
    assert opened.requests == [written.as_uri()]
    assert opened.errors == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_table_filters_by_why_methods_left(open_page, written):
    opened = open_page(written)
    assert len(opened.shown("race-table")) == len(QUALITY)
    opened.page.locator("#race-table select").first.select_option("failed")
    assert opened.shown("race-table") == ["hra"]


def test_a_method_is_highlighted_in_the_ladder(open_page, written):
    opened = open_page(written)
    opened.drawn()
    opened.page.locator("#race .legend button[data-method='lora']").click()
    lines = "#figure-race-0 .mark-line path"
    dimmed = opened.page.locator(f"{lines}.dimmed").count()
    assert 0 < dimmed < opened.page.locator(lines).count()
