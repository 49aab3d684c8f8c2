"""The training examples and candidates of a race: as many as its bound buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whichpeft.analysis.race.rules import RaceRules
from whichpeft.engine import ProfileWork
from whichpeft.engine.profiling.budget import QUICK
from whichpeft.executors import SilentObserver
from whichpeft.records.race import Entrant
from whichpeft.running.race.check import check_bound
from whichpeft.running.race.clock import Clock
from whichpeft.running.race.size import (
    FEWEST_VALIDATED,
    Pace,
    RaceSize,
    Workload,
    pace_of,
    size_for,
    size_for_trials,
)
from whichpeft.running.request import Request
from whichpeft.running.setup import RunSetup, make_job, resources_for
from whichpeft.study import AutoOptions, Budget, Study

PROBED = 2048
"""Training examples that the pace is measured on, before the size is known."""


def probing(request: Request) -> Request:
    """Return the request with so few training examples that they are encoded at once."""
    auto, budget = request.study.auto, request.study.budget
    if auto is None or auto.within is None or budget.max_train is not None:
        return request
    return with_budget(request, replace(budget, max_train=PROBED))


def with_budget(request: Request, budget: Budget) -> Request:
    """Return the request with another budget, and with as many candidates as its searches have."""

    def changed(study: Study) -> Study:
        auto = None if study.auto is None else replace(study.auto, candidates=budget.tuning_trials)
        return replace(study, budget=budget, auto=auto)

    return replace(request, study=changed(request.study), whole=changed(request.whole))


def sized(
    request: Request, setup: RunSetup, rules: RaceRules, clock: Clock, entrants: Sequence[Entrant]
) -> Request:
    """Return the request with the training examples, epochs and candidates that its bound buys.

    Raises
    ------
    StudyError
        If the bound is too small for one finalist.
    """
    study = request.study
    auto, budget = study.auto, study.budget
    assert auto is not None
    work = workload(request, rules, entrants)
    if auto.within is not None:
        work = replace(work, pace=measured_pace(request, setup))
    check_bound(work, auto, clock.spent)
    size = size_of(work, auto, clock.left)
    return with_budget(request, size_as_budget(size, budget, work))


def workload(request: Request, rules: RaceRules, entrants: Sequence[Entrant]) -> Workload:
    """Return what a race has to do, with training examples as the unit of its costs."""
    return Workload(
        methods=sum(bool(entrant.arms) for entrant in entrants),
        rules=rules,
        budget=request.study.budget,
        examples=request.tasks[0].counts,
        pace=Pace(),
    )


def size_of(work: Workload, auto: AutoOptions, left: float) -> RaceSize:
    """Return what the bound of a race buys; `left` is the rest of its time.

    If the bound does not buy all training examples in every epoch, one epoch on more examples is better
    than several on fewer. A study that says how many it uses keeps its epochs. If time is short,
    validation takes no more examples than a third of those that are trained on.
    """
    if auto.trials is not None:
        return size_for_trials(work, auto.trials)
    if auto.within is None:
        return _with_epochs(work, auto.examples)
    size = _with_epochs(work, left)
    part = max(FEWEST_VALIDATED, size.epochs * size.train // 3)
    if work.budget.max_validation is not None or size.train >= work.whole or part >= work.validated:
        return size
    return _with_epochs(replace(work, budget=replace(work.budget, max_validation=part)), left)


def _with_epochs(work: Workload, bound: float | None) -> RaceSize:
    """Return the size for a bound, with one epoch if that does not use up the data."""
    size = size_for(work, bound)
    if work.budget.max_train is not None or work.budget.epochs == 1 or size.train >= work.whole:
        return size
    once = replace(work, budget=replace(work.budget, epochs=1))
    longer = size_for(once, bound)
    return longer if longer.train < work.whole else size


def size_as_budget(size: RaceSize, budget: Budget, work: Workload) -> Budget:
    """Return the budget of trials of a size; one that trains on all examples keeps its limit."""
    limit = size.train if size.train < work.examples["train"] else budget.max_train
    return replace(
        budget,
        epochs=size.epochs,
        max_train=limit,
        max_validation=size.validation,
        tuning_trials=size.candidates,
    )


def measured_pace(request: Request, setup: RunSetup) -> Pace:
    """Time a few steps of the baseline, or else of the first method."""
    cells = [cell for cell in setup.plan.accepted if cell.method.info.learning_rate]
    cell = next((cell for cell in cells if cell.text == request.study.baseline), cells[0])
    job = make_job(cell.profile, cell, setup, ProfileWork(budget=QUICK))
    alone = resources_for(request.study, setup, alone=True)
    ((_, result),) = setup.executor.run([job], alone, SilentObserver())
    places = setup.executor.concurrency(resources_for(request.study, setup))
    return pace_of(result.record, request.study.budget, places)
