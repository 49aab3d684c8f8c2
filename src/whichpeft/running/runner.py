"""Carries out a checked request: set up, profile, tune, then run the final trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from whichpeft.engine import TuneWork
from whichpeft.engine.profiling.budget import ProfileBudget
from whichpeft.executors import Executor, RunObserver
from whichpeft.planning import Cell, SearchPlan, make_search
from whichpeft.records import Claims
from whichpeft.running.folder import prepare_folder
from whichpeft.running.profiling import TUNING_SHARE
from whichpeft.running.request import Request
from whichpeft.running.resume import without_record
from whichpeft.running.setup import make_job, set_up
from whichpeft.running.stages import Stages
from whichpeft.running.trial_stacking import AUTO, OFF
from whichpeft.running.tuning_queue import tuned_cell, tuning_jobs
from whichpeft.running.until_decided import next_round
from whichpeft.study import UntilDecided
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
        prepare_folder(request, setup, claims, observer)
        if request.study.memory_options:
            if batch_trials not in (AUTO, OFF):
                option = request.study.memory_options[0]
                observer.notify(f"--batch-trials is ignored: it cannot be combined with {option}")
            batch_trials = OFF
        stages = Stages(
            request=request,
            setup=setup,
            claims=claims,
            observer=observer,
            trackers=Trackers(study=request.study, folder=request.store.folder, notify=observer.notify),
            keep_adapters=keep_adapters,
            profile_budget=profile_budget,
            batch_trials=batch_trials,
        )
        cells = list(setup.plan.accepted)
        stages.profile(cells)
        searches = [s for cell in cells if (s := make_search(cell, request.search_seed)) is not None]
        if searches:
            tuned = _tune(stages, searches)
            stages.profile(tuned)
            cells += tuned
        _test(stages, cells)


def _tune(stages: Stages, searches: Sequence[SearchPlan]) -> list[Cell]:
    """Run the searches; return the cells of those that found better than the default."""
    store, setup = stages.store, stages.setup
    every = [(trial, search.cell) for search in searches for trial in search.trials]
    stages.observer.estimate(
        {
            trial.fingerprint: stages.trial_seconds(cell) * (TUNING_SHARE if trial.number else 1)
            for trial, cell in every
        }
    )
    new = [make_job(trial, cell, setup, TuneWork()) for trial, cell in without_record(every, store)]
    jobs = tuning_jobs(
        searches,
        store,
        setup,
        stages.claims,
        trial_seconds=stages.trial_seconds,
        stack_size=stages.stack_size,
    )
    resources = stages.resources([search.cell for search in searches])
    stages.carry_out("tune", new, jobs, resources, done=len(every) - len(new))
    records = {record.trial.fingerprint: record for record in store}
    return [cell for search in searches if (cell := tuned_cell(search, records)) is not None]


def _test(stages: Stages, cells: Sequence[Cell]) -> None:
    """Run every cell's final trials, then those of methods that are not decided yet."""
    stages.test([(trial, cell) for cell in cells for trial in cell.finals])
    request = stages.request
    if not isinstance(request.study.seeds, UntilDecided):
        return
    while (following := next_round(request.whole, stages.store, cells)).trials:
        stages.observer.notify(following.line)
        stages.test(following.trials)
    stages.observer.notify(following.line)
