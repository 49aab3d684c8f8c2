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

from whichpeft.report.text import plain
from whichpeft.running.progress import RunProgress, describe, state_of
from whichpeft.units import show_seconds

if TYPE_CHECKING:
    from whichpeft.engine import Job, Progress, Result
    from whichpeft.records import Record


class LiveDisplay:
    """Shows trials done, running and left, with an estimate of the time left. A context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = RunProgress()
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
        self._progress.start_stage(name, jobs, done=done, concurrency=concurrency)
        if jobs:
            self.notify(f"{self._progress.title}: {self._progress.heading}")

    def estimate(self, seconds: dict[str, float]) -> None:
        self._progress.estimate(seconds)

    def started(self, job: Job) -> None:
        self._progress.started(job)

    def progressed(self, job: Job, progress: Progress) -> None:
        self._progress.progressed(job, progress)

    def finished(self, job: Job, result: Result) -> None:
        run, record = self._progress, result.record
        run.finished(job, result)
        if record.outcome.status == "failed":
            phase = f" in {record.outcome.phase}" if record.outcome.phase else ""
            self.notify(f"failed{phase}: {describe(job)}: {record.outcome.reason}")
        elif self._plain:
            rest = f", about {show_seconds(run.left)} left" if run.left is not None else ""
            self.notify(f"[{run.ended}/{run.count}] {describe(job)}: {_outcome(record)}{rest}")

    def notify(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=self._plain)

    def _draw(self) -> RenderableType:
        run = self._progress
        if not run.count:
            return Text("preparing…", style="dim")
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(run.title, style="bold"),
            ProgressBar(total=run.count, completed=run.ended, width=24),
            Text(run.heading),
        )
        trials = Table.grid(padding=(0, 2))
        for job, progress in run.running.values():
            states = (Text(state, style="dim") for state in state_of(job, progress))
            trials.add_row(Text(f"  {describe(job)}"), *states)
        return Group(head, trials)


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
