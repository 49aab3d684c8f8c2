"""The live page in a browser: it follows the run and keeps the reader's selections."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from whichpeft.executors import SilentObserver
from whichpeft.records import Store
from whichpeft.running.live_page import LivePage

from .. import builders


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "run")
    store.keep_study(builders.study(["full", "lora:r=8"]))
    for record in (
        builders.profile("full"),
        builders.profile("lora:r=8"),
        builders.final("full", 0, 0.81),
    ):
        store.add(record)
    return store


def test_the_live_page_follows_the_run_and_keeps_selections(store, browser):
    errors = []
    with LivePage(store.folder) as live:
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(live.address)
        page.wait_for_function("document.documentElement.dataset.drawn", timeout=60_000)
        assert page.locator("figure .mark-symbol path").count() > 0
        store.add(builders.final("full", 1, 0.85))
        page.get_by_role("cell", name="83.0").first.wait_for(timeout=20_000)
        page.get_by_role("searchbox").first.fill("full")
        page.keyboard.press("Tab")
        store.add(builders.final("full", 2, 0.89))
        button = page.get_by_role("button", name="There are new results: show them")
        button.wait_for(timeout=20_000)
        assert page.get_by_role("searchbox").first.input_value() == "full"
        assert page.locator("#news button").count() == 1
        button.click()
        page.get_by_role("cell", name="85.0").first.wait_for(timeout=20_000)
        # The address kept what was typed.
        assert page.get_by_role("searchbox").first.input_value() == "full"
    page.get_by_text("The run has ended.").wait_for(timeout=20_000)
    assert page.get_by_text("run/report.html").is_visible()
    page.close()
    assert errors == []


def test_the_live_page_shows_progress_and_no_empty_figure(tmp_path, browser):
    store = Store(tmp_path / "run")
    with LivePage(store.folder) as live:
        page = browser.new_page()
        page.goto(live.address)
        page.get_by_role("heading", name="The study is being prepared").wait_for()
        observer = live.followed_by(SilentObserver())
        record = builders.profile("full")
        observer.start_stage("profile", [SimpleNamespace(trial=record.trial)] * 2, done=0, concurrency=1)
        page.get_by_text("measuring costs, one method at a time").wait_for(timeout=20_000)
        bar = page.get_by_role("progressbar", name="trials done")
        assert bar.get_attribute("max") == "2"
        store.keep_study(builders.study(["full", "lora:r=8"]))
        store.add(record)
        # The page appears by itself, with the table, although nothing has a score yet.
        page.get_by_role("heading", name="All methods").wait_for(timeout=20_000)
        page.wait_for_function("document.documentElement.dataset.drawn", timeout=60_000)
        assert page.get_by_text("No answer yet").is_visible()
        for chart in page.locator("figure:visible .chart").all():
            assert chart.locator(".role-mark path").count() > 0
        page.close()
