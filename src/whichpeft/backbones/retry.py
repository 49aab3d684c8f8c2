"""Retries for the hub: requests that fail temporarily are repeated after increasing waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

_Fetched = TypeVar("_Fetched")
_WAITS = (1.0, 4.0, 10.0)  # seconds before each further attempt
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP status codes of temporary failures


def with_retries(fetch: Callable[[], _Fetched]) -> _Fetched:
    """Fetch from the hub; retry if it was slow, busy or cut off. Raises the last error."""
    for wait in _WAITS:
        try:
            return fetch()
        except Exception as error:
            if not is_transient(error):
                raise
        time.sleep(wait)
    return fetch()


def is_transient(error: BaseException) -> bool:
    """Whether an error is temporary: no answer in time, or an overloaded server."""
    causes = list(_causes(error))
    if any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in causes):
        return False  # the client calls it a ConnectionError, but made no request
    for cause in causes:
        answer = getattr(cause, "response", None)
        if answer is not None:
            return getattr(answer, "status_code", None) in _BUSY
        # By name, because the hub's client has changed its HTTP library before.
        names = {kind.__name__ for kind in type(cause).__mro__}
        if names & {"TransportError", "TimeoutError", "ConnectionError"}:
            return True
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
