"""The training examples and candidates of a race: as many as its bound buys."""

from __future__ import annotations

from dataclasses import replace

from whichpeft.analysis.race.rules import RaceRules
from whichpeft.engine import ProfileWork
from whichpeft.engine.profile_budget import QUICK
from whichpeft.errors import StudyError
from whichpeft.executors import SilentObserver
from whichpeft.planning import Cell
from whichpeft.running.race.clock import Clock
from whichpeft.running.race.size import (
    Pace,
    RaceSize,
    Workload,
    least_bound,
    pace_of,
    size_for,
    size_for_trials,
)
from whichpeft.running.request import Request
from whichpeft.running.setup import RunSetup, make_job, resources_for
from whichpeft.study import Budget, Study
from whichpeft.units import show_seconds

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


def sized(request: Request, setup: RunSetup, rules: RaceRules, clock: Clock) -> Request:
    """Return the request with the training examples, epochs and candidates that its bound buys.

    A study that says how many training examples it uses keeps them. If the bound does not buy all of
    them in every epoch, one epoch on more examples is better than several on fewer.

    Raises
    ------
    StudyError
        If the bound is too small for one finalist.
    """
    study = request.study
    auto, budget = study.auto, study.budget
    assert auto is not None
    cells = [cell for cell in setup.plan.accepted if cell.method.info.learning_rate]
    if not cells:
        return request
    work = Workload(
        methods=len(cells),
        rules=rules,
        budget=budget,
        examples=cells[0].task.counts,
        pace=Pace(),
    )
    if auto.trials is not None:
        size = size_for_trials(work, auto.trials, finalists=rules.finalists)
        return with_budget(request, replace(budget, tuning_trials=size.candidates))
    bound: float | None = auto.examples
    if auto.within is not None:
        work = replace(work, pace=_measured(request, setup, cells))
        bound = clock.left
    if bound is None:
        return request
    if least_bound(work) > bound:
        raise StudyError(_too_small(request, least_bound(work), clock))
    work, size = _best(work, bound, rules.finalists)
    return with_budget(
        request,
        replace(
            work.budget,
            max_train=size.train if size.train < work.examples["train"] else budget.max_train,
            tuning_trials=size.candidates,
        ),
    )


def _best(work: Workload, bound: float, finalists: int) -> tuple[Workload, RaceSize]:
    """Return the size for a bound, with one epoch if the data would not be used up by it."""
    size = size_for(work, bound, finalists=finalists)
    if work.budget.max_train is not None or work.budget.epochs == 1 or size.train >= work.whole:
        return work, size
    once = replace(work, budget=replace(work.budget, epochs=1))
    longer = size_for(once, bound, finalists=finalists)
    return (once, longer) if longer.train < work.whole else (work, size)


def _measured(request: Request, setup: RunSetup, cells: list[Cell]) -> Pace:
    """Measure a few steps of the baseline, or else of the first method."""
    cell = next((cell for cell in cells if cell.text == request.study.baseline), cells[0])
    job = make_job(cell.profile, cell, setup, ProfileWork(budget=QUICK))
    alone = resources_for(request.study, setup, alone=True)
    ((_, result),) = setup.executor.run([job], alone, SilentObserver())
    places = setup.executor.concurrency(resources_for(request.study, setup))
    return pace_of(result.record, request.study.budget, places)


def _too_small(request: Request, least: float, clock: Clock) -> str:
    auto = request.study.auto
    assert auto is not None
    if auto.within is None:
        return (
            f"auto: {auto.examples:,} training examples are too few for one finalist and the baseline; "
            f"give {round(least):,} or more"
        )
    needed = 1.1 * (least + auto.within - clock.left)
    return (
        f"auto: {show_seconds(auto.within)} is too short for one finalist and the baseline; give "
        f"--within {show_seconds(needed)} or more, or a smaller model or shorter texts"
    )
