"""The stages of a run: profiles, then trials, each kept as a record when it ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from whichpeft.engine import FinalWork, Job, ProfileWork
from whichpeft.engine.profiling.budget import THOROUGH, ProfileBudget, profile_seconds
from whichpeft.executors import Resources, RunObserver
from whichpeft.planning import Cell
from whichpeft.records import Claims, Reading, Store
from whichpeft.records.other_work import WAITED, busy_note
from whichpeft.running.profiling import (
    describe_spread,
    expected_costs,
    patience_of_run,
    profile_jobs,
)
from whichpeft.running.reading import add_reading
from whichpeft.running.request import Request
from whichpeft.running.resume import without_record
from whichpeft.running.setup import RunSetup, make_job, resources_for
from whichpeft.running.trial_claims import profiling_lock, unclaimed_jobs
from whichpeft.running.trial_stacking import max_stacked, stack_jobs, trials_to_time
from whichpeft.study import Trial
from whichpeft.tasks import DecodedTask
from whichpeft.tracking import Trackers


@dataclass(kw_only=True)
class Stages:
    """A run in progress, and what it has learnt about costs so far."""

    request: Request
    setup: RunSetup
    claims: Claims
    observer: RunObserver
    trackers: Trackers
    keep_adapters: bool
    profile_budget: ProfileBudget
    batch_trials: str
    """Which trials train as one model: ``auto``, ``off`` or the number of them."""
    until: float | None = None
    """When trials are ended, by `time.monotonic`; None to let all of them end by themselves."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Expected seconds of a final trial, by the fingerprint of its cell's profile."""
    memory: int = 0
    """The largest peak memory of all profiles, in bytes."""
    stack_sizes: dict[str, int] = field(default_factory=dict)
    """How many trials of a cell may train as one model, by the fingerprint of its profile."""
    patience: float = field(default_factory=patience_of_run)
    """Seconds that profiles may still wait for other work on the machine to end."""
    notes: set[str] = field(default_factory=set)
    """Notes of trials that the observer has been given already."""

    @property
    def store(self) -> Store:
        """The run folder."""
        return self.request.store

    @property
    def device(self) -> str:
        """The device of every trial."""
        return str(self.setup.executor.compute.device)

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() >= self.until

    def profile(self, cells: Sequence[Cell]) -> None:
        """Measure what each cell costs, with nothing else running on the CPU, or on the cell's GPU."""
        names = {cell.profile.fingerprint for cell in cells}
        earlier = self.store.fingerprints()
        if not names <= earlier:
            with profiling_lock(self.claims, self.observer):
                earlier = self.store.fingerprints()  # another process may have profiled some
                self._run_profiles(
                    [cell for cell in cells if cell.profile.fingerprint not in earlier], cells
                )
        if self.profile_budget == THOROUGH:
            self._report_spread(new=names - earlier, kept=names & earlier)
        records = {record.trial.fingerprint: record for record in self.store}
        busy = busy_note(record for name, record in records.items() if name in names - earlier)
        if busy is not None:
            self.observer.notify(busy)
        seconds, memory = expected_costs(cells, records)
        self.seconds |= seconds
        self.memory = max(self.memory, memory)
        for name in names:
            self.stack_sizes[name] = max_stacked(self.batch_trials, records.get(name), self.device)

    def _run_profiles(self, new: Sequence[Cell], cells: Sequence[Cell]) -> None:
        expected = [make_job(cell.profile, cell, self.setup, ProfileWork()) for cell in new]
        each = profile_seconds(self.profile_budget)
        self.observer.estimate({job.trial.fingerprint: each for job in expected})
        jobs = profile_jobs(
            new, self.setup, self.profile_budget, self._trials_to_time, lambda: self.patience
        )
        alone = resources_for(self.request.study, self.setup, alone=True)
        self.carry_out("profile", expected, jobs, alone, done=len(cells) - len(new))

    def _report_spread(self, *, new: set[str], kept: set[str]) -> None:
        """Report what thorough profiles gained, and how many profiles existed already."""
        line = describe_spread([record for record in self.store if record.trial.fingerprint in new])
        if line is not None:
            self.observer.notify(line)
        if kept:
            self.observer.notify(
                f"profiles that existed already: {len(kept)}; to measure a method again, delete the "
                "record of its profile"
            )

    def test(self, every: list[tuple[Trial, Cell]]) -> None:
        """Run final trials: train, then evaluate on the test split."""
        # Seeds outermost, so that a run that is cut short leaves methods that can be compared. Within a
        # seed the longest first, so that the last trial to end is short.
        every.sort(key=lambda pair: (pair[0].seed, -self.trial_seconds(pair[1])))
        self.observer.estimate({trial.fingerprint: self.trial_seconds(cell) for trial, cell in every})
        jobs = [self._final_job(trial, cell) for trial, cell in without_record(every, self.store)]
        sizes = {trial.fingerprint: self.stack_size(cell) for trial, cell in every}
        resources = self.resources([cell for _, cell in every])
        stacked = stack_jobs(
            jobs,
            lambda job: sizes[job.trial.fingerprint],
            concurrency=self.setup.executor.concurrency(resources),
        )
        unclaimed = unclaimed_jobs(stacked, self.store, self.claims)
        self.carry_out("final", jobs, unclaimed, resources, done=len(every) - len(jobs))

    def _final_job(self, trial: Trial, cell: Cell) -> Job:
        keep = self.store.adapter_folder(trial.fingerprint) if self.keep_adapters else None
        job = make_job(trial, cell, self.setup, FinalWork(keep=keep))
        return replace(job, checkpoint=self.store.checkpoint(trial.fingerprint))

    def carry_out(
        self,
        stage: str,
        expected: Sequence[Job],
        jobs: Iterable[Job | None],
        resources: Resources,
        *,
        done: int,
    ) -> None:
        """Run jobs and keep each one's record as it ends."""
        executor = self.setup.executor
        concurrency = executor.concurrency(resources)
        self.observer.start_stage(stage, expected, done=done, concurrency=concurrency)
        # Closed immediately if ctrl-C arrives here, so that no trial keeps running.
        with contextlib.closing(
            executor.run(jobs, resources, self.observer, until=self.until)
        ) as results:
            for _, result in results:
                self.store.add(result.record, curve=result.curve, predictions=result.predictions)
                self.claims.release(result.record.trial.fingerprint)
                self.patience = max(0.0, self.patience - (result.record.value(WAITED) or 0.0))
                self.trackers.send(result.record, result.curve)
                if result.note is not None and result.note not in self.notes:
                    self.notes.add(result.note)
                    self.observer.notify(result.note)
                    with self.claims.lock():
                        add_reading(self.store, Reading(notes=(result.note,)))

    def resources(self, cells: Sequence[Cell]) -> Resources:
        """Return what a trial of any of these cells takes."""
        largest = max((self.stack_size(cell) for cell in cells), default=1)
        return resources_for(self.request.study, self.setup, memory=self.memory * largest)

    def stack_size(self, cell: Cell) -> int:
        """Return how many trials of a cell may train as one model."""
        return self.stack_sizes.get(cell.profile.fingerprint, 1)

    def trial_seconds(self, cell: Cell) -> float:
        """Return the expected seconds of a final trial; 0 if the cell has no profile."""
        return self.seconds.get(cell.profile.fingerprint, 0.0)

    def _trials_to_time(self, cell: Cell) -> int:
        if isinstance(cell.task, DecodedTask):  # whose trials never train as one model
            return 0
        trials = max(len(cell.finals), cell.study.budget.tuning_trials)
        return trials_to_time(self.batch_trials, self.device, trials)
