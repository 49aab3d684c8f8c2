"""What the bound of a race buys, found without a trial: limits, a few timed steps, and arithmetic."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from whichpeft.executors import Executor, RunObserver
from whichpeft.records.race import Entrant
from whichpeft.report.tables.reading import lines_on_reading
from whichpeft.running.race.check import check_bound
from whichpeft.running.race.limits import entrants, with_fewer
from whichpeft.running.race.size import bound_to_prove, rungs_of
from whichpeft.running.race.sizing import (
    measured_pace,
    probing,
    size_as_budget,
    size_of,
    workload,
)
from whichpeft.running.race.start import options_of, race_rules
from whichpeft.running.request import Request
from whichpeft.running.setup import set_up

# Two tuned methods of about the same quality, as seen on stdlib-docs, SST-2 and digits: the variance of
# the difference of their scores between test examples, and that of one method's score between seeds.
_BY_EXAMPLE, _BY_SEED = 0.06, 0.01**2
_PROOF = 1.7  # standard errors from the mean difference to the end of its one-sided interval


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceDryRun:
    """What a race would do."""

    entrants: tuple[Entrant, ...]
    """The study's methods, and why some of them do not race."""

    train: int
    """Training examples of a trial."""

    of: int
    """Training examples that there are."""

    epochs: int
    """Passes over them."""

    validation: int
    """Validation examples."""

    candidates: int
    """Candidates of a method at most."""

    fits: bool
    """Whether the bound is enough to try every method."""

    screened: tuple[int, ...]
    """Arms that train to each rung."""

    rungs: tuple[int, ...]
    """Optimiser steps at each rung."""

    finalists: int
    """Methods that are tested, the baseline not counted."""

    looks: tuple[int, ...]
    """Seeds of the finalists at each look."""

    seconds: float
    """Expected seconds until the finalists have had their second look."""

    seconds_low: float
    """Least seconds that this should take: on a quiet machine, if the machine is busy now."""

    seconds_high: float
    """Most seconds that this should take."""

    seconds_to_prove: float
    """Seconds of a race that tries every method and takes all looks at its finalists."""

    margin: float
    """The margin of the choice, a fraction."""

    margin_to_prove: float
    """Smallest margin, a fraction, within which alike methods are likely to be proved equivalent."""

    concurrency: int
    """Trials side by side."""

    folder: Path
    """The run folder."""

    @property
    def methods(self) -> int:
        """How many methods race and can be chosen."""
        return sum(entrant.out is None for entrant in self.entrants)

    def to_json(self) -> str:
        """Return everything as a JSON object."""
        return json.dumps(asdict(self) | {"folder": str(self.folder)}, indent=1)


def make_race_dry_run(
    request: Request, scratch: Path, executor: Executor, *, observer: RunObserver, began: float
) -> RaceDryRun:
    """Find the methods that race, time a few steps of one, and say what the bound buys.

    Parameters
    ----------
    began
        When the command began, by `time.monotonic`; what has passed counts to the time of the race.

    Raises
    ------
    RequestError
        If the request is wrong, no method fits the limits, or the bound is too small for one finalist.
    """
    setup = set_up(probing(request), scratch, executor)
    for line in lines_on_reading(setup.reading):
        observer.notify(line)
    found, rules, auto = entrants(request, setup), race_rules(request), options_of(request.study)
    plain = workload(request, rules, found)
    timed = replace(plain, pace=measured_pace(request, setup))
    work, spent = plain if auto.within is None else timed, time.monotonic() - began
    check_bound(work, auto, spent)
    size = size_of(work, auto, math.inf if auto.within is None else auto.within - spent)
    budget = size_as_budget(size, request.study.budget, work)
    sized = replace(timed, budget=budget)
    cost = sized.cost(size.train, size.candidates)
    low, high = timed.pace.shares
    return RaceDryRun(
        entrants=with_fewer(found, size.candidates, rules.baseline),
        train=size.train,
        of=work.examples["train"],
        epochs=size.epochs,
        validation=sized.validated,
        candidates=size.candidates,
        fits=size.fits,
        screened=tuple(sized.screened(size.candidates)),
        rungs=rungs_of(budget.steps(work.examples["train"])),
        finalists=sized.finalists,
        looks=rules.looks,
        seconds=spent + cost,
        seconds_low=spent + low * cost,
        seconds_high=spent + high * cost,
        seconds_to_prove=spent + bound_to_prove(timed),
        margin=rules.margin,
        margin_to_prove=margin_to_prove(work.examples["test"], rules.looks[-1]),
        concurrency=timed.pace.places,
        folder=request.store.folder,
    )


def margin_to_prove(test: int, seeds: int) -> float:
    """Return the smallest margin, a fraction, within which alike methods are likely proved equivalent.

    Parameters
    ----------
    test
        Number of test examples.
    seeds
        Seeds of each method.
    """
    return _PROOF * math.sqrt(_BY_EXAMPLE / test + 2 * _BY_SEED / seeds)
