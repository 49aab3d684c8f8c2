"""The live page in a browser: it follows the run and keeps the reader's selections."""

from __future__ import annotations

import pytest

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
        page.get_by_role("searchbox").first.fill("lora")
        page.keyboard.press("Tab")
        store.add(builders.final("full", 2, 0.89))
        button = page.get_by_role("button", name="There are new results: show them")
        button.wait_for(timeout=20_000)
        assert page.get_by_role("searchbox").first.input_value() == "lora"
        assert page.locator("#news").count() == 1
        button.click()
        page.get_by_role("cell", name="85.0").first.wait_for(timeout=20_000)
        page.close()
    assert errors == []
