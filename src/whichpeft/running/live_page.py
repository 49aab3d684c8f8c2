"""The page of a run, which fills as records arrive, for a browser on this machine."""

from __future__ import annotations

import contextlib
import secrets
import threading
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from whichpeft.errors import WhichpeftError
from whichpeft.records import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whichpeft.engine import Job
    from whichpeft.executors import RunObserver

_ASK_EVERY = 2000  # milliseconds between two requests of the page for new results
_POLICY = "default-src 'none'"
# The page reloads when there is more to show, and the browser keeps its position. Readers who have
# clicked or typed would lose what they chose, so they get a button instead.
_FOLLOW = """<script>
(() => {
  const shown = %r;
  let used = false;
  for (const kind of ["pointerdown", "keydown"])
    addEventListener(kind, () => { used = true; }, { once: true });
  const offer = () => {
    if (document.getElementById("news")) return;
    document.body.insertAdjacentHTML("beforeend", `<p id="news" role="status"
      style="position:fixed;right:16px;bottom:16px;z-index:4;margin:0">
      <button type="button">There are new results: show them</button></p>`);
    document.querySelector("#news button").addEventListener("click", () => location.reload());
  };
  const look = async () => {
    try {
      const now = await (await fetch("version", { cache: "no-store" })).text();
      if (now === shown) return;
      if (used) offer(); else location.reload();
    } catch { document.title = "ended · " + document.title; clearInterval(timer); }
  };
  const timer = setInterval(look, %d);
})();
</script>
"""
_WAIT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>whichpeft</title>
<meta http-equiv="refresh" content="2"></head><body><p>The study is being prepared.</p></body></html>"""


class LivePage:
    """Serves a run folder's page on loopback, at an address that cannot be guessed. A context manager.

    While costs are measured, the page is not rebuilt, so as not to disturb them; the last one is shown.
    """

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder)
        self._token = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._built = ("", "")
        self.profiling = False
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
        """Return an observer that passes everything on, and shows this page when costs are measured."""
        return _Following(observer, self)

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
        if parts[2] == "version":
            return HTTPStatus.OK, "text/plain", self._version()
        if parts[2]:
            return HTTPStatus.NOT_FOUND, "text/plain", "nothing here"
        return HTTPStatus.OK, "text/html", self._page()

    def _version(self) -> str:
        """Name the state of the folder to show."""
        return self._built[0] if self.profiling and self._built[0] else _state(self._store)

    def _page(self) -> str:
        from whichpeft.report import Report
        from whichpeft.report.page.page import page

        with self._lock:
            version = self._version()
            if not version:
                return _WAIT
            if version != self._built[0]:
                try:
                    html = page(Report.from_store(self._store).contents)
                except WhichpeftError as error:
                    return _WAIT.replace("The study is being prepared.", escape(str(error)))
                html = html.replace(_POLICY, f"{_POLICY}; connect-src 'self'", 1)
                # The drawing code contains the same tag as text; the last one is the page's own.
                start, end, rest = html.rpartition("</body>")
                html = f"{start}{_FOLLOW % (version, _ASK_EVERY)}{end}{rest}"
                self._built = (version, html)
            return self._built[1]


class _Following:
    """Passes everything on to an observer, and notes on a page whether costs are being measured."""

    def __init__(self, observer: RunObserver, page: LivePage) -> None:
        self._observer, self._page = observer, page

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        self._page.profiling = name == "profile"
        self._observer.start_stage(name, jobs, done=done, concurrency=concurrency)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)


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
