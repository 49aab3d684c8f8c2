"""A real browser for tests of pages: the machine's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a browser; skip the test with the reason if there is none."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright (dev extra) is not installed"
    )
    with playwright.sync_playwright() as found:
        started = found.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a page from a file, with the options of a Playwright context.

    `at` is what follows the ``#`` of the address.
    """
    contexts = []

    def opening(path: Path, **options: Any) -> Opened:
        opened = Opened(browser, path, **options)
        contexts.append(opened.context)
        return opened

    yield opening
    for context in contexts:
        context.close()


class Opened:
    """A page opened from a file, with its requests and its console errors."""

    def __init__(self, browser: Any, path: Path, *, at: str = "", **context: Any) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        size = {"width": 1200, "height": 900}
        self.context = browser.new_context(**{"viewport": size, "reduced_motion": "reduce"} | context)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(path.as_uri() + (f"#{at}" if at else ""))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def drawn(self) -> int:
        """Wait until every visible figure is drawn; return their number."""
        self.page.wait_for_function("document.documentElement.dataset.drawn", timeout=120_000)
        return int(self.page.evaluate("document.documentElement.dataset.drawn"))

    def marks(self) -> dict[str, int]:
        """Return the number of marks of each visible figure, by the id of its element."""
        found: dict[str, int] = self.page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll("figure:not([hidden]) .chart")]
                .filter((place) => place.closest("details:not([open])") === null)
                .map((place) => [place.id, place.querySelectorAll(
                    "svg .mark-symbol path, svg .mark-rect path, svg .mark-line path").length]))"""
        )
        return found

    def shown(self, table: str) -> list[str]:
        """Return the methods in the visible rows of a table, from top to bottom."""
        return list(self.page.locator(f"#{table} tbody tr:visible .name").all_inner_texts())
