"""The page of a run, which fills as records arrive, for a browser on this machine."""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from whichpeft.errors import WhichpeftError
from whichpeft.records import Store
from whichpeft.report.text import plain
from whichpeft.running.progress import RunProgress, describe, state_of
from whichpeft.units import show_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whichpeft.engine import Job, Progress, Result
    from whichpeft.executors import RunObserver

_ASK_EVERY = 2000  # milliseconds between two requests of the page for new results
_POLICY = "default-src 'none'"


class LivePage:
    """Serves a run folder's page on loopback, at an address that cannot be guessed. A context manager.

    The page says how far the run is. While costs are measured, it is not rebuilt, so as not to disturb
    them; the last one is shown.

    Parameters
    ----------
    folder
        The run folder.
    time_left
        Returns the seconds that the whole run may still take; None if it has no limit.
    """

    def __init__(self, folder: Path, time_left: Callable[[], float] | None = None) -> None:
        self._store = Store(folder)
        self._time_left = time_left
        self._progress = RunProgress()
        self._token = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._built = ("", "")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """The page's address, with the token that opens it."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._token}/"

    def __enter__(self) -> LivePage:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def followed_by(self, observer: RunObserver) -> RunObserver:
        """Return an observer that passes everything on, and tells this page how far the run is."""
        return _Following(observer, self._progress)

    def answer(self, path: str, host: str) -> tuple[HTTPStatus, str, str]:
        """Return the status, type and content for a request.

        A request without the token gets nothing. Neither does one whose host is not loopback's: another
        site could lead the browser here under a name of its own.
        """
        port = self._server.server_port
        if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return HTTPStatus.FORBIDDEN, "text/plain", "this page is only for 127.0.0.1"
        parts = path.partition("?")[0].split("/")
        if len(parts) != 3 or not secrets.compare_digest(parts[1].encode(), self._token.encode()):
            return HTTPStatus.NOT_FOUND, "text/plain", "nothing here"
        if parts[2] == "progress":
            return HTTPStatus.OK, "application/json", json.dumps(self._told(), allow_nan=False)
        if parts[2]:
            return HTTPStatus.NOT_FOUND, "text/plain", "nothing here"
        return HTTPStatus.OK, "text/html", self._page()

    def _version(self) -> str:
        """Name the state of the folder to show."""
        if self._progress.stage == "profile" and self._built[0]:
            return self._built[0]
        return _state(self._store)

    def _told(self) -> dict[str, object]:
        """Say how far the run is."""
        run = self._progress
        left = math.inf if self._time_left is None else self._time_left()
        return {
            "version": self._version(),
            "title": plain(run.title or "preparing"),
            "words": run.heading if run.count else "",
            "whole": "" if math.isinf(left) else f"the race ends in {show_seconds(left)} at the latest",
            "count": run.count,
            "ended": run.ended,
            "running": [
                plain(": ".join((describe(job), ", ".join(state_of(job, progress)))))
                for job, progress in list(run.running.values())
            ],
        }

    def _page(self) -> str:
        from whichpeft.report import Report
        from whichpeft.report.page.page import page, waiting_page

        with self._lock:
            version = self._version()
            if not version:
                return self._following(waiting_page("The study is being prepared"), version)
            if version != self._built[0]:
                try:
                    html = page(Report.from_store(self._store).contents)
                except WhichpeftError as error:
                    return self._following(waiting_page(str(error)), version)
                self._built = (version, self._following(html, version))
            return self._built[1]

    def _following(self, html: str, version: str) -> str:
        """Add to a page what shows the progress of the run."""
        part = files("whichpeft.running").joinpath("live_page.html").read_text(encoding="utf-8")
        folder = json.dumps(plain(self._store.folder)).replace("<", "\\u003c")
        for name, value in (
            ("SHOWN", json.dumps(version)),
            ("FOLDER", folder),
            ("EVERY", str(_ASK_EVERY)),
        ):
            part = part.replace(name, value)
        html = html.replace(_POLICY, f"{_POLICY}; connect-src 'self'", 1)
        return html.replace("<body>", f"<body>\n{part}", 1)


class _Following:
    """Passes everything on to an observer, and keeps count of how far the run is."""

    def __init__(self, observer: RunObserver, progress: RunProgress) -> None:
        self._observer, self._progress = observer, progress

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        self._progress.start_stage(name, jobs, done=done, concurrency=concurrency)
        self._observer.start_stage(name, jobs, done=done, concurrency=concurrency)

    def estimate(self, seconds: dict[str, float]) -> None:
        self._progress.estimate(seconds)
        self._observer.estimate(seconds)

    def started(self, job: Job) -> None:
        self._progress.started(job)
        self._observer.started(job)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._progress.progressed(job, progress)
        self._observer.progressed(job, progress)

    def finished(self, job: Job, result: Result) -> None:
        self._progress.finished(job, result)
        self._observer.finished(job, result)

    def notify(self, line: str) -> None:
        self._observer.notify(line)


def _state(store: Store) -> str:
    """Name the state of a folder by its number of records and the newest; empty if it has none.

    A race that has decided something counts as newer too.
    """
    found = [*(store.folder / "records").glob("*.json"), *store.folder.glob("race.json")]
    times = [path.stat().st_mtime_ns for path in found]
    return f"{len(times)}-{max(times)}" if times and store.study_file.is_file() else ""


def _handler(live: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, text = live.answer(self.path, self.headers.get("Host", ""))
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                ("Referrer-Policy", "no-referrer"),
            ):
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the browser has left the page
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing: the terminal belongs to the run."""

    return Handler
