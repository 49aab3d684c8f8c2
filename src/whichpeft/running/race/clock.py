"""The time of a race: from the start of the command, without the time between two runs of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

from whichpeft.engine import Job, Progress, Result
from whichpeft.executors import RunObserver
from whichpeft.records import Store
from whichpeft.storage.atomic import write_whole

REPORT_SECONDS = 8.0
"""Kept for the report, which is written when trials have ended."""

_EVERY = 1.0  # seconds between two writes


class Clock:
    """Counts the seconds of a race, and keeps them in its folder, so that a kill does not lose them.

    Parameters
    ----------
    folder
        The run folder.
    within
        Seconds that everything may take; None for no limit.
    began
        When the command was started, by `time.monotonic`.
    """

    def __init__(self, folder: Path, within: float | None, began: float) -> None:
        store = Store(folder)
        self._file = store.clock_file
        self._within = within
        self._began = began - store.race_seconds()
        self._written = 0.0

    @property
    def spent(self) -> float:
        """Seconds since the start, those of earlier runs included."""
        return time.monotonic() - self._began

    @property
    def end(self) -> float | None:
        """When trials have to end, by `time.monotonic`; None if there is no limit."""
        return None if self._within is None else self._began + self._within - self._reserve

    @property
    def left(self) -> float:
        """Seconds until trials have to end; infinite without a limit."""
        return math.inf if self.end is None else max(0.0, self.end - time.monotonic())

    @property
    def _reserve(self) -> float:
        return min(REPORT_SECONDS, 0.2 * (self._within or 0.0))

    def tick(self) -> None:
        """Write the time that was spent, at most once a second."""
        now = time.monotonic()
        if now - self._written < _EVERY or not self._file.parent.is_dir():
            return
        self._written = now
        write_whole(self._file, json.dumps({"seconds": round(self.spent, 1)}).encode())


class Ticking:
    """Passes everything on to an observer, and lets the clock write its time."""

    def __init__(self, observer: RunObserver, clock: Clock) -> None:
        self._observer, self._clock = observer, clock

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        self._clock.tick()
        self._observer.start_stage(name, jobs, done=done, concurrency=concurrency)

    def estimate(self, seconds: dict[str, float]) -> None:
        self._observer.estimate(seconds)

    def started(self, job: Job) -> None:
        self._clock.tick()
        self._observer.started(job)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._clock.tick()
        self._observer.progressed(job, progress)

    def finished(self, job: Job, result: Result) -> None:
        self._clock.tick()
        self._observer.finished(job, result)

    def notify(self, line: str) -> None:
        self._observer.notify(line)
