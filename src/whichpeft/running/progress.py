"""How far a run is: its stage, the trials that run now, and an estimate of the time left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichpeft.engine import FinalWork, ScreenWork, TuneWork
from whichpeft.units import show_seconds

if TYPE_CHECKING:
    from whichpeft.engine import Job, Progress, Result

_TITLES = {
    "profile": "measuring costs, one method at a time",
    "screen": "screening on validation data",
    "audit": "training dropped methods to the end anyway",
    "tune": "tuning on validation data",
    "final": "training and testing",
}


class RunProgress:
    """Counts trials done, running and left, from what an observer gets."""

    def __init__(self) -> None:
        self.stage = ""
        self.count = self.done = self.ended = 0
        self.concurrency = 1
        self.running: dict[str, tuple[Job, Progress | None]] = {}
        self._estimates: dict[str, float] = {}
        self._expected = self._expected_of_ended = self._spent = 0.0

    @property
    def title(self) -> str:
        """What the stage does; empty before the first one."""
        return _TITLES.get(self.stage, self.stage)

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        self.running.clear()
        self.stage, self.count, self.done, self.concurrency = name, len(jobs), done, concurrency
        self.ended = 0
        self._expected_of_ended = self._spent = 0.0
        self._expected = sum(self._estimates.get(job.trial.fingerprint, 0.0) for job in jobs)

    def estimate(self, seconds: dict[str, float]) -> None:
        self._estimates = dict(seconds)

    def started(self, job: Job) -> None:
        self.running[job.trial.fingerprint] = (job, None)

    def progressed(self, job: Job, progress: Progress) -> None:
        self.running[job.trial.fingerprint] = (job, progress)

    def finished(self, job: Job, result: Result) -> None:
        self.running.pop(job.trial.fingerprint, None)
        self.ended += 1
        self._spent += result.record.value("total_seconds") or 0.0
        self._expected_of_ended += self._estimates.get(job.trial.fingerprint, 0.0)

    @property
    def left(self) -> float | None:
        """An estimate of the seconds left in this stage; None if nothing is known."""
        if self.stage == "profile":
            expected = self._expected / self.count if self.count else 0.0
            mean = self._spent / self.ended if self.ended else expected
            return mean * (self.count - self.ended) if mean else None
        if not self._expected:
            return None
        # Trials side by side are slower than the profile was; correct for that by those that have ended.
        drift = self._spent / self._expected_of_ended if self._expected_of_ended else 1.0
        # The page asks from another thread, so the trials are listed at once.
        running = sum(
            self._estimates.get(name, 0.0) * progress.epoch / job.trial.budget.epochs
            for name, (job, progress) in list(self.running.items())
            if progress is not None
        )
        return max(0.0, (self._expected - self._expected_of_ended - running) * drift / self.concurrency)

    @property
    def heading(self) -> str:
        """How far the stage is: ``3 of 12 trials, 2 side by side, about 4 min left``."""
        parts = [f"{self.ended} of {self.count} trials"]
        if self.done:
            parts.append(f"{self.done} done before")
        if self.concurrency > 1:
            parts.append(f"{self.concurrency} side by side")
        if self.left is not None:
            parts.append(f"about {show_seconds(self.left)} left")
        return ", ".join(parts)


def describe(job: Job) -> str:
    """Name a trial in one short line."""
    trial = job.trial
    which = ""
    if isinstance(job.work, FinalWork):
        which = f", seed {trial.seed}"
    elif isinstance(job.work, ScreenWork):
        which = f", candidate {trial.number}, {trial.stop_after} steps"
    elif isinstance(job.work, TuneWork) and trial.number is not None:
        which = f", {trial.number + 1} of {job.work.search_trials}"
    return f"{trial.method} on {trial.task}, {trial.backbone}{which}"


def state_of(job: Job, progress: Progress | None) -> list[str]:
    """Say how far a running trial is: phase, epoch, loss and speed."""
    if progress is None:
        return ["starting"]
    parts = [progress.phase]
    if progress.epoch and job.trial.purpose != "profile":
        parts.append(f"epoch {progress.epoch:.1f}/{job.trial.budget.epochs}")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.speed is not None:
        parts.append(f"{progress.speed:.0f} examples/s")
    return parts
