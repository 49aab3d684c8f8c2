"""A page as PDF, printed by a browser of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from whichpeft.errors import StudyError
from whichpeft.storage.atomic import write_whole

_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
    "msedge", "brave-browser",
)  # fmt: skip
_ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
_SECONDS = 120.0


def write_pdf(html: str, path: Path) -> None:
    """Print a page without scripts to a PDF file.

    Raises
    ------
    StudyError
        If this machine has no browser that prints, or if it fails.
    """
    browser = find_browser()
    if browser is None:
        raise StudyError(
            f"{path}: a PDF is printed by Chromium, Chrome or Edge, and none was found; write it as "
            f"{path.with_suffix('.html').name} and print that from any browser"
        )
    with tempfile.TemporaryDirectory(prefix="whichpeft-", ignore_cleanup_errors=True) as scratch:
        page, printed = Path(scratch, "page.html"), Path(scratch, "page.pdf")
        page.write_text(html, encoding="utf-8")
        # As root, as in a container, Chromium starts without its sandbox only. The page has no scripts.
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            browser, *_FLAGS, *root, f"--user-data-dir={scratch}/browser", f"--print-to-pdf={printed}",
            page.as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
            content = printed.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise StudyError(
                f"{path}: {browser} could not print it ({type(error).__name__}); write it as "
                f"{path.with_suffix('.html').name} and print that from any browser"
            ) from error
    write_whole(path, content)


def find_browser() -> str | None:
    """Return the path of a browser that prints without a window; None if there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None and sys.platform in ("darwin", "win32"):
        found = next((path for path in _ELSEWHERE if Path(path).exists()), None)
    return found
