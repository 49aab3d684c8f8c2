"""Carries out a checked request: set up, profile, tune, then run the final trials."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whichpeft.engine import FinalWork, Job, ProfileWork, TuneWork
from whichpeft.engine.profile_budget import THOROUGH, ProfileBudget, profile_seconds
from whichpeft.executors import Executor, Resources, RunObserver
from whichpeft.planning import Cell, SearchPlan, make_search
from whichpeft.records import Claims, Outcome, Reading, Record, Store
from whichpeft.report.tables.reading import lines_on_reading
from whichpeft.running.more_seeds import note_on_seeds
from whichpeft.running.profiling import (
    TUNING_SHARE,
    describe_spread,
    expected_costs,
    profile_jobs,
)
from whichpeft.running.reading import add_reading
from whichpeft.running.request import Request
from whichpeft.running.resume import check_same_data, keep_study, without_record
from whichpeft.running.setup import RunSetup, make_job, resources_for, set_up
from whichpeft.running.trial_claims import profiling_lock, unclaimed_jobs
from whichpeft.running.trial_stacking import AUTO, OFF, max_stacked, stack_jobs, trials_to_time
from whichpeft.running.tuning_queue import tuned_cell, tuning_jobs
from whichpeft.running.until_decided import next_round
from whichpeft.study import Trial, UntilDecided
from whichpeft.tasks import DecodedTask
from whichpeft.tracking import Trackers


def run_study(
    request: Request,
    scratch: Path,
    *,
    executor: Executor,
    observer: RunObserver,
    keep_adapters: bool,
    profile_budget: ProfileBudget,
    batch_trials: str,
    halve_micro_batch: bool,
) -> None:
    """Run every trial that the request's folder has no record of.

    Other processes may run the same study in the same folder; they share the trials. Raises
    RequestError, but only before the first trial.
    """
    setup = replace(set_up(request, scratch, executor), halve_micro_batch=halve_micro_batch)
    with Claims(request.store.folder) as claims:
        _prepare_folder(request, setup, claims, observer)
        for line in lines_on_reading(setup.reading):
            observer.notify(line)
        _keep_refusals(request, setup, observer)
        if request.study.memory_options:
            if batch_trials not in (AUTO, OFF):
                option = request.study.memory_options[0]
                observer.notify(f"--batch-trials is ignored: it cannot be combined with {option}")
            batch_trials = OFF
        _Run(
            request=request,
            setup=setup,
            claims=claims,
            observer=observer,
            trackers=Trackers(study=request.study, folder=request.store.folder, notify=observer.notify),
            keep_adapters=keep_adapters,
            profile_budget=profile_budget,
            batch_trials=batch_trials,
        ).run()


def _prepare_folder(request: Request, setup: RunSetup, claims: Claims, observer: RunObserver) -> None:
    """Clean the run folder up, check that its records fit, and write its study."""
    with claims.lock():
        if claims.only_one():
            request.store.remove_partial_files()
            claims.remove_dead()
        for line in request.store.set_aside():
            observer.notify(line)
        check_same_data(request.store, setup.plan.cells)
        _tell_of_seeds(request, observer)
        keep_study(request.store, request.whole)
        add_reading(request.store, setup.reading)


def _tell_of_seeds(request: Request, observer: RunObserver) -> None:
    """Say what other seeds than the folder's do to the error of its verdicts; keep it for the report."""
    store = request.store
    if not store.study_file.exists():
        return
    kept = store.study().seeds
    note, keep = note_on_seeds(store, kept, request.asked_seeds, request.whole.seeds)
    if note is not None:
        observer.notify(note)
    if note is not None and keep:
        add_reading(store, Reading(notes=(note,)))


def _keep_refusals(request: Request, setup: RunSetup, observer: RunObserver) -> None:
    """Keep each refusal as a record, so that every table shows it, and delete those that ended."""
    _forget_refusals(request.store, setup.plan.cells)
    for cell in setup.plan.refused:
        trial = cell.profile
        if not request.store.holds(trial.fingerprint):
            outcome = Outcome(status="refused", phase="plan", reason=cell.refusal)
            request.store.add(Record(trial=trial, setting=setup.executor.setting(), outcome=outcome))
        observer.notify(f"{cell.text} is left out: {cell.refusal}")


def _forget_refusals(store: Store, cells: Sequence[Cell]) -> None:
    """Delete refusals that no longer hold, such as that of a config file that has been mended."""
    reasons = {cell.profile.fingerprint: cell.refusal for cell in cells}
    planned = {(cell.backbone.name, cell.task.name, cell.text) for cell in cells}
    for record in list(store):
        trial, outcome = record.trial, record.outcome
        now = (trial.backbone, trial.task, trial.method) in planned
        if now and outcome.status == "refused" and reasons.get(trial.fingerprint) != outcome.reason:
            store.remove(trial.fingerprint)


@dataclass(kw_only=True)
class _Run:
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
    seconds: dict[str, float] = field(default_factory=dict)
    """Expected seconds of a final trial, by the fingerprint of its cell's profile."""
    memory: int = 0
    """The largest peak memory of all profiles, in bytes."""
    stack_sizes: dict[str, int] = field(default_factory=dict)
    """How many trials of a cell may train as one model, by the fingerprint of its profile."""
    notes: set[str] = field(default_factory=set)
    """Notes of trials that the observer has been given already."""

    @property
    def store(self) -> Store:
        return self.request.store

    @property
    def device(self) -> str:
        return str(self.setup.executor.compute.device)

    def run(self) -> None:
        """Profile, tune and test, in this order; skip trials that have records."""
        cells = list(self.setup.plan.accepted)
        self.profile(cells)
        seed = self.request.search_seed
        searches = [search for cell in cells if (search := make_search(cell, seed)) is not None]
        if searches:
            tuned = self.tune(searches)
            self.profile(tuned)
            cells += tuned
        self.test(cells)

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
        seconds, memory = expected_costs(cells, records)
        self.seconds |= seconds
        self.memory = max(self.memory, memory)
        for name in names:
            self.stack_sizes[name] = max_stacked(self.batch_trials, records.get(name), self.device)

    def _run_profiles(self, new: Sequence[Cell], cells: Sequence[Cell]) -> None:
        expected = [make_job(cell.profile, cell, self.setup, ProfileWork()) for cell in new]
        each = profile_seconds(self.profile_budget)
        self.observer.estimate({job.trial.fingerprint: each for job in expected})
        jobs = profile_jobs(new, self.setup, self.profile_budget, self._trials_to_time)
        alone = resources_for(self.request.study, self.setup, alone=True)
        self._carry_out("profile", expected, jobs, alone, done=len(cells) - len(new))

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

    def tune(self, searches: Sequence[SearchPlan]) -> list[Cell]:
        """Run the searches; return the cells of those that found better than the default."""
        every = [(trial, search.cell) for search in searches for trial in search.trials]
        self.observer.estimate(
            {
                trial.fingerprint: self._trial_seconds(cell) * (TUNING_SHARE if trial.number else 1)
                for trial, cell in every
            }
        )
        new = [
            make_job(trial, cell, self.setup, TuneWork())
            for trial, cell in without_record(every, self.store)
        ]
        jobs = tuning_jobs(
            searches,
            self.store,
            self.setup,
            self.claims,
            trial_seconds=self._trial_seconds,
            stack_size=self._stack_size,
        )
        resources = self._resources([search.cell for search in searches])
        self._carry_out("tune", new, jobs, resources, done=len(every) - len(new))
        records = {record.trial.fingerprint: record for record in self.store}
        return [cell for search in searches if (cell := tuned_cell(search, records)) is not None]

    def test(self, cells: Sequence[Cell]) -> None:
        """Run every cell's final trials, then those of methods that are not decided yet."""
        self._test([(trial, cell) for cell in cells for trial in cell.finals])
        if not isinstance(self.request.study.seeds, UntilDecided):
            return
        while (following := next_round(self.request.whole, self.store, cells)).trials:
            self.observer.notify(following.line)
            self._test(following.trials)
        self.observer.notify(following.line)

    def _test(self, every: list[tuple[Trial, Cell]]) -> None:
        """Run final trials: train, then evaluate on the test split."""
        # Seeds outermost, so that a run that is cut short leaves methods that can be compared. Within a
        # seed the longest first, so that the last trial to end is short.
        every.sort(key=lambda pair: (pair[0].seed, -self._trial_seconds(pair[1])))
        self.observer.estimate({trial.fingerprint: self._trial_seconds(cell) for trial, cell in every})
        jobs = [self._final_job(trial, cell) for trial, cell in without_record(every, self.store)]
        sizes = {trial.fingerprint: self._stack_size(cell) for trial, cell in every}
        resources = self._resources([cell for _, cell in every])
        stacked = stack_jobs(
            jobs,
            lambda job: sizes[job.trial.fingerprint],
            concurrency=self.setup.executor.concurrency(resources),
        )
        unclaimed = unclaimed_jobs(stacked, self.store, self.claims)
        self._carry_out("final", jobs, unclaimed, resources, done=len(every) - len(jobs))

    def _final_job(self, trial: Trial, cell: Cell) -> Job:
        keep = self.store.adapter_folder(trial.fingerprint) if self.keep_adapters else None
        job = make_job(trial, cell, self.setup, FinalWork(keep=keep))
        return replace(job, checkpoint=self.store.checkpoint(trial.fingerprint))

    def _carry_out(
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
        with contextlib.closing(executor.run(jobs, resources, self.observer)) as results:
            for _, result in results:
                self.store.add(result.record, curve=result.curve, predictions=result.predictions)
                self.claims.release(result.record.trial.fingerprint)
                self.trackers.send(result.record, result.curve)
                if result.note is not None and result.note not in self.notes:
                    self.notes.add(result.note)
                    self.observer.notify(result.note)
                    with self.claims.lock():
                        add_reading(self.store, Reading(notes=(result.note,)))

    def _resources(self, cells: Sequence[Cell]) -> Resources:
        largest = max((self._stack_size(cell) for cell in cells), default=1)
        return resources_for(self.request.study, self.setup, memory=self.memory * largest)

    def _stack_size(self, cell: Cell) -> int:
        return self.stack_sizes.get(cell.profile.fingerprint, 1)

    def _trial_seconds(self, cell: Cell) -> float:
        return self.seconds.get(cell.profile.fingerprint, 0.0)

    def _trials_to_time(self, cell: Cell) -> int:
        if isinstance(cell.task, DecodedTask):  # whose trials never train as one model
            return 0
        trials = max(len(cell.finals), cell.study.budget.tuning_trials)
        return trials_to_time(self.batch_trials, self.device, trials)
