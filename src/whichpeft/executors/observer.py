"""What an executor tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whichpeft.engine import Job, Progress, Result


class RunObserver(Protocol):
    """Told of a run's stages and of each trial's progress."""

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        """A stage begins: `jobs` are to run, `done` more were done in an earlier run."""

    def estimate(self, seconds: dict[str, float]) -> None:
        """How long trials are expected to take, by fingerprint."""

    def started(self, job: Job) -> None: ...

    def progressed(self, job: Job, progress: Progress) -> None: ...

    def finished(self, job: Job, result: Result) -> None: ...

    def notify(self, line: str) -> None:
        """Something the user should know."""


class SilentObserver:
    """Watches nothing."""

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None: ...

    def estimate(self, seconds: dict[str, float]) -> None: ...

    def started(self, job: Job) -> None: ...

    def progressed(self, job: Job, progress: Progress) -> None: ...

    def finished(self, job: Job, result: Result) -> None: ...

    def notify(self, line: str) -> None: ...
