"""A team lead opens the page for ten seconds, then asks for one sheet of paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whichpeft.records import Store
from whichpeft.report import Report

from .. import builders, race_builders
from .conftest import User

SCREEN = {"width": 1280, "height": 900}


@pytest.fixture
def run(user: User) -> Path:
    """The folder of a finished study of eight methods."""
    methods = ["full", "head", *(f"lora:r={rank}" for rank in (2, 4, 8, 16, 32)), "bitfit"]
    store = Store(user.folder / "run")
    store.keep_study(builders.study(methods))
    for place, method in enumerate(methods):
        costs = {"adapter": builders.BASE if method == "full" else 9_000 * place, "seconds": 60 - place}
        level = 0.82 if method == "full" else 0.7 if method == "head" else 0.81 + place / 1000
        for record in builders.whole(method, [level, level + 0.004, level - 0.002], **costs):
            store.add(record)
    return store.folder


def test_the_first_screen_holds_method_reason_and_certainty(
    user: User, run: Path, open_page: Callable[..., Any]
) -> None:
    user.types("whichpeft report run --html page.html --summary summary.html")
    opened = open_page(user.folder / "page.html", viewport=SCREEN)
    page = opened.page
    assert page.locator("h1").inner_text() == "Which fine-tuning method for minilm on glue/sst2?"
    assert page.locator(".headline").first.inner_text().split() == ["bitfit", "Proved"]
    on_the_first_screen(page)
    assert opened.drawn() > 0
    assert pages(page) <= 5
    assert pages(open_page(user.folder / "summary.html").page) == 1
    assert opened.errors == []


def test_a_race_says_so_on_its_first_screen(tmp_path: Path, open_page: Callable[..., Any]) -> None:
    quality = {"full": 0.85, "lora": 0.862, "dora": 0.84, "bitfit": 0.82, "ia3": 0.80, "oft": 0.79}
    study, race, records = race_builders.race(quality, seeds=(3, 5))
    report = Report(study, records, race=race, predictions=builders.predictions(records))
    report.write_html(tmp_path / "page.html")
    page = open_page(tmp_path / "page.html", viewport=SCREEN).page
    on_the_first_screen(page)
    page.locator(".sure > summary").first.click()
    meant = page.locator(".sure p").first.inner_text()
    assert "no other finalist is better by more than the margin" in meant


def on_the_first_screen(page: Any) -> None:
    """Check that the answer is seen without scrolling: method, score and costs, and how sure."""
    for one in ("h1", ".headline", ".badge", ".lead", ".key", ".sure > summary"):
        place = page.locator(f".first {one}").first
        box = place.bounding_box()
        assert place.is_visible(), one
        assert box["y"] + box["height"] <= SCREEN["height"], one
    assert re.search(
        r"Use .+: \d+\.\d points, .+ of training", page.locator(".first .lead").inner_text()
    )
    assert "points worse than any other" in page.locator(".first .sure > summary").inner_text()


def pages(page: Any) -> int:
    """Return on how many sheets of A4 a page is printed."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
