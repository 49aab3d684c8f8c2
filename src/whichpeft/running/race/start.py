"""Starts a race: what it needs before its first stage, within the time that counts already."""

from __future__ import annotations

import time
from pathlib import Path

from whichpeft.analysis.race.rules import RaceRules, constraints_of, rules_of
from whichpeft.engine.profiling.budget import STANDARD
from whichpeft.executors import Executor, RunObserver
from whichpeft.planning import make_search
from whichpeft.records import Claims, Race
from whichpeft.running.folder import prepare_folder
from whichpeft.running.profiling import patience_of_run
from whichpeft.running.race.arms import Arms
from whichpeft.running.race.bounds import Bound, ExamplesBound, TimeBound, Unbounded
from whichpeft.running.race.clock import Clock, Ticking
from whichpeft.running.race.limits import describe, entrants, with_fewer
from whichpeft.running.race.run import RaceRun
from whichpeft.running.race.sizing import probing, sized, with_budget
from whichpeft.running.request import Request
from whichpeft.running.resume import keep_study
from whichpeft.running.setup import RunSetup, resources_for, set_up, with_budget_of
from whichpeft.running.stages import Stages
from whichpeft.running.trial_stacking import OFF
from whichpeft.study import AutoOptions, Study
from whichpeft.tracking import Trackers

_PATIENT_SHARE = 0.02  # of the time that is left, for waiting until a busy machine is quiet


def run_race(
    request: Request,
    scratch: Path,
    *,
    executor: Executor,
    observer: RunObserver,
    clock: Clock,
    keep_adapters: bool,
) -> Race:
    """Race the methods of a study, from where its folder stands, until one is chosen or time is over.

    Raises RequestError, but only before the first trial.
    """
    observer = Ticking(observer, clock)
    setup = set_up(probing(request), scratch, executor)
    race = request.store.race()
    found = entrants(request, setup) if race is None else race.entrants
    if race is None:
        observer.notify(describe(found))
        request = sized(request, setup, race_rules(request), clock, found)
        found = with_fewer(found, options_of(request.study).candidates, request.study.baseline)
    with Claims(request.store.folder) as claims:
        request = _agreed(request, claims)
        setup = with_budget_of(setup, request, scratch)
        prepare_folder(request, setup, claims, observer)
        cells = {cell.text: cell for cell in setup.plan.accepted}
        searches = {text: make_search(cell, request.search_seed) for text, cell in cells.items()}
        stages = Stages(
            request=request,
            setup=setup,
            claims=claims,
            observer=observer,
            trackers=Trackers(study=request.study, folder=request.store.folder, notify=observer.notify),
            keep_adapters=keep_adapters,
            profile_budget=STANDARD,
            batch_trials=OFF,
            until=clock.end,
            patience=min(patience_of_run(), _PATIENT_SHARE * clock.left),
        )
        return RaceRun(
            stages=stages,
            arms=Arms(
                cells,
                {text: own for text, own in searches.items() if own is not None},
                request.search_seed,
            ),
            entrants=found,
            bound=_bound(request.study, setup, clock),
            rules=race_rules(request),
            constraints=constraints_of(request.study),
        ).run()


def _agreed(request: Request, claims: Claims) -> Request:
    """Return the request with the size that the folder's race has; keep this one's if it has none.

    Processes that start a race together measure different paces, and the first one's size counts.
    """
    with claims.lock():
        if request.store.study_file.exists():
            return with_budget(request, request.store.study().budget)
        keep_study(request.store, request.whole)
        return request


def race_rules(request: Request) -> RaceRules:
    """Return the rules of a study's race."""
    return rules_of(request.study, request.tasks[0].chance)


def options_of(study: Study) -> AutoOptions:
    """Return the options of a study's race, those of an unbounded one if it has none."""
    return study.auto or AutoOptions()


def _bound(study: Study, setup: RunSetup, clock: Clock) -> Bound:
    auto, budget = options_of(study), study.budget
    cell = next(iter(setup.plan.accepted))
    train = cell.task.counts["train"]
    whole = budget.epochs * min(train, budget.max_train or train)
    in_step = whole / budget.steps(train)
    if auto.within is not None:
        places = setup.executor.concurrency(resources_for(study, setup))
        counts = cell.task.counts
        validated = min(counts["validation"], budget.max_validation or counts["validation"])
        return TimeBound(clock, time.monotonic(), places, counts["test"] / validated)
    if auto.examples is not None:
        return ExamplesBound(auto.examples, in_step)
    if auto.trials is not None:
        return ExamplesBound(auto.trials * whole, in_step)
    return Unbounded()
