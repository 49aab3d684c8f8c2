"""A hub on loopback for `datasets` and `huggingface_hub`, with repositories in memory."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Repositories = Mapping[str, Mapping[str, bytes]]


@contextmanager
def hub(repositories: Repositories, *, busy_for: float = 0.0) -> Iterator[str]:
    """Serve repositories of data sets or models (id -> path -> content) at an HF_ENDPOINT.

    busy_for: seconds after the first request during which it answers that it is overloaded.
    """

    class Handler(_Handler):
        served = repositories
        busy = busy_for
        first: ClassVar[list[float]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def parquet(columns: Mapping[str, list[Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer)
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    served: ClassVar[Repositories] = {}
    busy = 0.0
    first: ClassVar[list[float]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, body: bytes = b"") -> None:
        self.first.append(time.monotonic())
        if time.monotonic() - self.first[0] < self.busy:
            return self._send(503, b"{}", {})
        path = unquote(urlparse(self.path).path).strip("/")
        parts = path.split("/")
        if parts[0] == "api" and parts[1] in ("datasets", "models") and len(parts) >= 4:
            files = self.served.get("/".join(parts[2:4]))
            if files is None:
                return self._error("RepoNotFound")
            return self._api("/".join(parts[2:4]), files, parts[4:], body)
        if parts[0] == "datasets":
            parts = parts[1:]  # models have no prefix
        if len(parts) > 4 and parts[2] == "resolve":
            files = self.served.get("/".join(parts[:2]))
            if files is None:
                return self._error("RepoNotFound")
            content = files.get("/".join(parts[4:]))
            return self._error("EntryNotFound") if content is None else self._file(content)
        return self._error("EntryNotFound")

    def _api(self, name: str, files: Mapping[str, bytes], rest: list[str], body: bytes) -> None:
        if not rest or rest[0] == "revision":
            siblings = [{"rfilename": path} for path in files]
            return self._json(
                {"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
            )
        if rest[0] == "tree":
            folder = "/".join(rest[2:])
            return self._json(
                [
                    entry
                    for entry in _entries(files)
                    if not folder or entry["path"].startswith(f"{folder}/")
                ]
            )
        if rest[0] == "paths-info":
            kind = self.headers.get("Content-Type", "")
            asked = json.loads(body)["paths"] if "json" in kind else parse_qs(body.decode())["paths"]
            asked = [asked] if isinstance(asked, str) else asked
            return self._json([entry for entry in _entries(files) if entry["path"] in asked])
        return self._error("EntryNotFound")

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, content: bytes) -> None:
        status, headers = 200, {"ETag": f'"{_hash(content)}"', "X-Repo-Commit": COMMIT}
        asked = self.headers.get("Range")
        if asked and asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            status, content = 206, content[start : end + 1]
        self._send(status, content, headers)

    def _error(self, code: str) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entries(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    folders = {path.rsplit("/", 1)[0] for path in files if "/" in path}
    return [
        *({"type": "directory", "path": folder, "oid": _hash(folder.encode())} for folder in folders),
        *(
            {"type": "file", "path": path, "size": len(content), "oid": _hash(content)}
            for path, content in files.items()
        ),
    ]


def _hash(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
