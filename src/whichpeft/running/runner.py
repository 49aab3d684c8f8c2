"""Carries a checked request through: plan, profile alone, tune, then run the final trials."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whichpeft.engine import Job
from whichpeft.engine.profile_budget import STANDARD, THOROUGH, ProfileBudget, profile_seconds
from whichpeft.executors import Executor, Resources, RunObserver
from whichpeft.planning import Cell, SearchPlan, make_search
from whichpeft.records import Claims, Measurement, Outcome, Record, Store
from whichpeft.records.selection import best_trial
from whichpeft.running.request import Request
from whichpeft.running.setup import (
    RunSetup,
    expected_costs,
    make_job,
    profile_jobs,
    resources_for,
    set_up,
)
from whichpeft.running.study_folder import check_same_data, keep_study
from whichpeft.running.trial_batching import AUTO, OFF, max_stacked, stack_jobs, trials_to_time
from whichpeft.running.tuning_queue import jobs_of
from whichpeft.running.work_sharing import profiling_lock, unclaimed_jobs
from whichpeft.tracking import Trackers

# Of a whole trial's time that a tuning trial takes, most being stopped early.
TUNING_SHARE = 0.4


@dataclass(kw_only=True)
class _Run:
    """A run under way.

    batch: how trials train together. seconds: of a whole trial, by its cell's profile; memory: the
    largest peak. together: how many trials may train as one model, by their cell's profile.
    """

    request: Request
    setup: RunSetup
    claims: Claims
    observer: RunObserver
    keep_adapters: bool
    profile_budget: ProfileBudget
    batch: str
    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    together: dict[str, int] = field(default_factory=dict)
    trackers: Trackers
    said: set[str] = field(default_factory=set)

    @property
    def store(self) -> Store:
        return self.request.store

    def run(self) -> None:
        """Profile, tune and test, in this order, what there are no records of."""
        cells = list(self.setup.plan.accepted)
        self.profile(cells)
        searches = [search for cell in cells if (search := make_search(cell)) is not None]
        if searches:
            tuned = self.tune(searches)
            self.profile(tuned)
            cells += tuned
        self.test(cells)

    def profile(self, cells: Sequence[Cell]) -> None:
        """Measure what each cell costs, one at a time, alone on the machine."""
        kept = self.store.fingerprints()
        if not {cell.profile.fingerprint for cell in cells} <= kept:
            with profiling_lock(self.claims, self.observer):
                kept = self.store.fingerprints()
                new = [cell for cell in cells if cell.profile.fingerprint not in kept]
                expected = [make_job(cell.profile, cell, self.setup) for cell in new]
                jobs = profile_jobs(new, self.setup, self.profile_budget, self._trials_to_time)
                each = profile_seconds(self.profile_budget)
                self.observer.estimate({job.trial.fingerprint: each for job in expected})
                alone = resources_for(self.request.study, alone=True)
                self._carry_out("profile", expected, jobs, alone, done=len(cells) - len(new))
        if self.profile_budget == THOROUGH:
            self._say_what_it_gained(cells, kept)
        seconds, memory = expected_costs(cells, self.store)
        self.seconds |= seconds
        self.memory = max(self.memory, memory)
        records = {record.trial.fingerprint: record for record in self.store}
        for cell in cells:
            name = cell.profile.fingerprint
            self.together[name] = max_stacked(self.batch, records.get(name), self.device)

    def _say_what_it_gained(self, cells: Sequence[Cell], kept: Collection[str]) -> None:
        """Say how much nearer the quartiles are, and which profiles are older ones."""
        names = {cell.profile.fingerprint for cell in cells}
        line = gain([record for record in self.store if record.trial.fingerprint in names - set(kept)])
        if line is not None:
            self.observer.notify(line)
        old = len(names & set(kept))
        if old:
            self.observer.notify(
                f"{old} of the profiles were there before and stay as they are; delete a record to have "
                "its method measured again"
            )

    def tune(self, searches: Sequence[SearchPlan]) -> list[Cell]:
        """Run the searches; return the cells of those that found better than the default."""
        resources = self._resources([search.cell for search in searches])
        kept = self.store.fingerprints()
        every = [(trial, search) for search in searches for trial in search.trials]
        new = [
            make_job(trial, search.cell, self.setup)
            for trial, search in every
            if trial.fingerprint not in kept
        ]
        self.observer.estimate(
            {
                trial.fingerprint: self._expected(search.cell) * (TUNING_SHARE if trial.number else 1)
                for trial, search in every
            }
        )
        ready = jobs_of(
            searches,
            self.store,
            self.setup,
            self.claims,
            first=self._expected,
            most=self._most,
        )
        self._carry_out("tune", new, ready, resources, done=len(every) - len(new))
        records = {record.trial.fingerprint: record for record in self.store}
        return [cell for search in searches if (cell := found_by(search, records)) is not None]

    def test(self, cells: Sequence[Cell]) -> None:
        """Run every cell's final trials."""
        resources = self._resources(cells)
        kept = self.store.fingerprints()
        every = [(trial, cell) for cell in cells for trial in cell.finals]
        # Seeds outermost, so that a run cut short leaves methods that can be compared; within a seed
        # the longest first, so that the last to end is short.
        every.sort(key=lambda pair: (pair[0].seed, -self._expected(pair[1])))
        self.observer.estimate({trial.fingerprint: self._expected(cell) for trial, cell in every})
        jobs = [
            replace(
                make_job(trial, cell, self.setup),
                checkpoint=self.store.checkpoint(trial.fingerprint),
                keep=self.store.adapter_folder(trial.fingerprint) if self.keep_adapters else None,
            )
            for trial, cell in every
            if trial.fingerprint not in kept
        ]
        most = {trial.fingerprint: self._most(cell) for trial, cell in every}
        concurrency = self.setup.executor.concurrency(resources)
        joined = stack_jobs(jobs, lambda job: most[job.trial.fingerprint], concurrency=concurrency)
        free = unclaimed_jobs(joined, self.store, self.claims)
        self._carry_out("final", jobs, free, resources, done=len(every) - len(jobs))

    def _carry_out(
        self,
        name: str,
        expected: Sequence[Job],
        jobs: Iterable[Job | None],
        resources: Resources,
        *,
        done: int,
    ) -> None:
        """Run jobs and keep each one's record as it ends."""
        executor = self.setup.executor
        self.observer.start_stage(name, expected, done=done, concurrency=executor.concurrency(resources))
        # Closed at once where ctrl-C lands here, so that no trial runs on.
        with contextlib.closing(executor.run(jobs, resources, self.observer)) as results:
            for _, result in results:
                self.store.add(result.record, curve=result.curve, predictions=result.predictions)
                self.claims.release(result.record.trial.fingerprint)
                self.trackers.send(result.record, result.curve)
                if result.note is not None and result.note not in self.said:
                    self.said.add(result.note)
                    self.observer.notify(result.note)

    def _resources(self, cells: Sequence[Cell]) -> Resources:
        together = max((self._most(cell) for cell in cells), default=1)
        return resources_for(self.request.study, memory=self.memory * together)

    @property
    def device(self) -> str:
        return str(self.setup.executor.compute.device)

    def _most(self, cell: Cell) -> int:
        return self.together.get(cell.profile.fingerprint, 1)

    def _trials_to_time(self, cell: Cell) -> int:
        trials = max(len(cell.finals), cell.study.budget.tuning_trials)
        return trials_to_time(self.batch, self.device, trials)

    def _expected(self, cell: Cell) -> float:
        return self.seconds.get(cell.profile.fingerprint, 0.0)


def gain(profiles: Sequence[Record]) -> str | None:
    """Say how far apart a step's quartiles are, by all rounds and by the first; None if unknown."""
    pairs = [
        (step, first)
        for record in profiles
        if (step := record.measurement("step_milliseconds")) is not None
        and (first := record.measurement("first_round_step_milliseconds")) is not None
    ]
    if not pairs:
        return None
    after, before = (statistics.median(map(_spread, found)) for found in zip(*pairs, strict=True))
    return (
        f"thorough profiles: a step's quartiles are {after:.1%} of its median apart, {before:.1%} after "
        "the first round; what is left is what batches differ in"
    )


def _spread(measured: Measurement) -> float:
    if measured.low is None or measured.high is None or not measured.value:
        return 0.0
    return (measured.high - measured.low) / measured.value


def found_by(search: SearchPlan, records: Mapping[str, Record]) -> Cell | None:
    """Return the cell with the best hyperparameters on record, or None where that is the default.

    records: by fingerprint.
    """
    best = best_trial(
        records[trial.fingerprint] for trial in search.trials if trial.fingerprint in records
    )
    if best is None or best.trial.fingerprint == search.trials[0].fingerprint:
        return None
    return search.tuned(best.trial.fingerprint)


def run_study(
    request: Request,
    scratch: Path,
    *,
    executor: Executor,
    observer: RunObserver,
    keep_adapters: bool = False,
    profile_budget: ProfileBudget = STANDARD,
    batch_trials: str = AUTO,
    halve_micro_batch: bool = False,
) -> None:
    """Run what the request's folder lacks. Raises RequestError before the first trial only.

    Other processes may do the same: they share the trials.
    """
    setup = replace(set_up(request, scratch, executor), halve_micro_batch=halve_micro_batch)
    with Claims(request.store.folder) as claims:
        with claims.alone():
            if claims.only_one():
                request.store.sweep()
            for line in request.store.set_aside():
                observer.notify(line)
            check_same_data(request.store, setup.plan.cells)
            keep_study(request.store, request.whole)
        for line in setup.notes:
            observer.notify(line)
        for cell in setup.plan.refused:
            _keep_refusal(cell, setup, request.store)
            observer.notify(f"{cell.text} is left out: {cell.refusal}")
        if request.study.memory_options and batch_trials not in (AUTO, OFF):
            observer.notify(
                f"trials train one by one: {request.study.memory_options[0]} and one model for several "
                "exclude each other"
            )
        _Run(
            request=request,
            setup=setup,
            claims=claims,
            observer=observer,
            keep_adapters=keep_adapters,
            profile_budget=profile_budget,
            trackers=Trackers(study=request.study, folder=request.store.folder, notify=observer.notify),
            batch=OFF if request.study.memory_options else batch_trials,
        ).run()


def _keep_refusal(cell: Cell, setup: RunSetup, store: Store) -> None:
    """Keep a refusal as a record, so that every table shows it."""
    trial = cell.profile
    if trial.fingerprint not in store.fingerprints():
        outcome = Outcome(status="refused", phase="plan", reason=cell.refusal)
        store.add(Record(trial=trial, setting=setup.executor.setting(), outcome=outcome))
