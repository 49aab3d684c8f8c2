"""What an executor and a run report to whoever follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whichpeft.engine import Job, Progress, Result


class RunObserver(Protocol):
    """Follows a run's stages and each trial's progress."""

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        """Follow the start of a stage.

        Parameters
        ----------
        name
            ``profile``, ``tune`` or ``final``.
        jobs
            The trials to run.
        done
            How many trials of the stage have records already.
        concurrency
            How many trials run side by side.
        """

    def estimate(self, seconds: dict[str, float]) -> None:
        """Take the expected seconds of trials, by fingerprint."""

    def started(self, job: Job) -> None:
        """Follow the start of a trial."""

    def progressed(self, job: Job, progress: Progress) -> None:
        """Follow the progress of a trial."""

    def finished(self, job: Job, result: Result) -> None:
        """Follow the end of a trial."""

    def notify(self, line: str) -> None:
        """Take a line that the user should read."""


class SilentObserver:
    """Ignores everything; a base class for observers that need only some of it."""

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None: ...

    def estimate(self, seconds: dict[str, float]) -> None: ...

    def started(self, job: Job) -> None: ...

    def progressed(self, job: Job, progress: Progress) -> None: ...

    def finished(self, job: Job, result: Result) -> None: ...

    def notify(self, line: str) -> None: ...
