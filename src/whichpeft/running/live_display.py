"""The live display of a run; plain lines if the output is not a terminal, and in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from whichpeft.engine import FinalWork, ScreenWork, TuneWork
from whichpeft.report.text import plain
from whichpeft.units import show_seconds

if TYPE_CHECKING:
    from whichpeft.engine import Job, Progress, Result
    from whichpeft.records import Record

_TITLES = {
    "profile": "measuring costs, one method at a time",
    "screen": "screening on validation data",
    "audit": "training dropped methods to the end anyway",
    "tune": "tuning on validation data",
    "final": "training and testing",
}


class LiveDisplay:
    """Shows trials done, running and left, with an estimate of the time left. A context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._stage = _Stage("", 0, 0, 1)
        self._running: dict[str, tuple[Job, Progress | None]] = {}
        self._estimates: dict[str, float] = {}
        self._plain = self.console.is_jupyter or not self.console.is_terminal
        self._live = Live(
            console=self.console, get_renderable=self._draw, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> LiveDisplay:
        if not self._plain:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._plain:
            self._live.stop()

    def start_stage(self, name: str, jobs: Sequence[Job], *, done: int, concurrency: int) -> None:
        self._running.clear()
        self._stage = _Stage(name, len(jobs), done, concurrency)
        self._stage.expected = sum(self._estimates.get(j.trial.fingerprint, 0.0) for j in jobs)
        if jobs:
            self.notify(f"{_TITLES.get(name, name)}: {self._stage.heading(self._left())}")

    def estimate(self, seconds: dict[str, float]) -> None:
        self._estimates = dict(seconds)

    def started(self, job: Job) -> None:
        self._running[job.trial.fingerprint] = (job, None)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._running[job.trial.fingerprint] = (job, progress)

    def finished(self, job: Job, result: Result) -> None:
        self._running.pop(job.trial.fingerprint, None)
        stage = self._stage
        stage.ended += 1
        record = result.record
        stage.spent += record.value("total_seconds") or 0.0
        stage.expected_of_ended += self._estimates.get(job.trial.fingerprint, 0.0)
        failed = record.outcome.status == "failed"
        if failed:
            phase = f" in {record.outcome.phase}" if record.outcome.phase else ""
            self.notify(f"failed{phase}: {describe(job)}: {record.outcome.reason}")
        elif self._plain:
            left = self._left()
            rest = f", about {show_seconds(left)} left" if left is not None else ""
            self.notify(f"[{stage.ended}/{stage.count}] {describe(job)}: {_outcome(record)}{rest}")

    def notify(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=self._plain)

    def _left(self) -> float | None:
        """Estimate the seconds left in this stage; None if nothing is known."""
        stage = self._stage
        if stage.name == "profile":
            expected = stage.expected / stage.count if stage.count else 0.0
            mean = stage.spent / stage.ended if stage.ended else expected
            return mean * (stage.count - stage.ended)
        if not stage.expected:
            return None
        # Trials side by side are slower than the profile was; correct for that by those that have ended.
        drift = stage.spent / stage.expected_of_ended if stage.expected_of_ended else 1.0
        running = sum(
            self._estimates.get(name, 0.0) * progress.epoch / job.trial.budget.epochs
            for name, (job, progress) in self._running.items()
            if progress is not None
        )
        return max(0.0, (stage.expected - stage.expected_of_ended - running) * drift / stage.concurrency)

    def _draw(self) -> RenderableType:
        stage = self._stage
        if not stage.count:
            return Text("preparing…", style="dim")
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(_TITLES.get(stage.name, stage.name), style="bold"),
            ProgressBar(total=stage.count, completed=stage.ended, width=24),
            Text(stage.heading(self._left())),
        )
        trials = Table.grid(padding=(0, 2))
        for job, progress in self._running.values():
            trials.add_row(Text(f"  {describe(job)}"), *_state(job, progress))
        return Group(head, trials)


class _Stage:
    """The current stage, and how far it is."""

    def __init__(self, name: str, count: int, done: int, concurrency: int) -> None:
        self.name, self.count, self.done, self.concurrency = name, count, done, concurrency
        self.ended = 0
        self.expected = self.expected_of_ended = self.spent = 0.0

    def heading(self, left: float | None) -> str:
        parts = [f"{self.ended} of {self.count} trials"]
        if self.done:
            parts.append(f"{self.done} done before")
        if self.concurrency > 1:
            parts.append(f"{self.concurrency} side by side")
        if left is not None:
            parts.append(f"about {show_seconds(left)} left")
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


def _state(job: Job, progress: Progress | None) -> list[Text]:
    if progress is None:
        return [Text("starting", style="dim")]
    cells = [progress.phase]
    if progress.epoch and job.trial.purpose != "profile":
        cells.append(f"epoch {progress.epoch:.1f}/{job.trial.budget.epochs}")
    if progress.loss is not None:
        cells.append(f"loss {progress.loss:.3f}")
    if progress.speed is not None:
        cells.append(f"{progress.speed:.0f} examples/s")
    return [Text(cell, style="dim") for cell in cells]


def _outcome(record: Record) -> str:
    score = record.value("score")
    if score is not None:
        measurement = record.measurement("score")
        name = measurement.source if measurement else "score"
        return f"{plain(name)} {score:.4f} in {show_seconds(record.value('total_seconds') or 0.0)}"
    validation = record.value("validation_score")
    if validation is not None:
        halted = "paused" if record.trial.purpose == "screen" else "stopped"
        stopped = f", {halted}" if record.outcome.status == "stopped" else ""
        return f"validation score {validation:.4f}{stopped}"
    step = record.value("step_milliseconds")
    return f"{step:.0f} ms per step" if step is not None else "nothing to train"
