"""The arms of a race as trials: their jobs, their cells, and what they have shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from whichpeft.engine import Job, ScreenWork, TuneWork
from whichpeft.planning import Cell, SearchPlan
from whichpeft.records import Arm, Store
from whichpeft.running.race.size import rungs_of
from whichpeft.running.setup import RunSetup, make_job
from whichpeft.study import Trial


@dataclass(frozen=True)
class Arms:
    """Every arm that a race may have.

    A method whose options all have their values has one arm.
    """

    cells: Mapping[str, Cell]
    """The cells of the methods that can run, by the method as written in the study."""

    searches: Mapping[str, SearchPlan]
    """The candidates of those that have any."""

    seed: int
    """The seed that arms train on; no final trial has it."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Optimiser steps after which arms are compared: a quarter, a half and all of a training.

        After too few steps a score means nothing, so a short training has fewer rungs.
        """
        cell = next(iter(self.cells.values()))
        return rungs_of(cell.study.budget.steps(cell.task.counts["train"]))

    def count(self, method: str) -> int:
        """Return how many arms a method has."""
        search = self.searches.get(method)
        return 1 if search is None else len(search.trials)

    def cell(self, arm: Arm) -> Cell:
        """Return the cell with an arm's hyperparameters."""
        search = self.searches.get(arm.method)
        if search is None or arm.number == 0:
            return self.cells[arm.method]
        return replace(search.cell, method=search.methods[arm.number])

    def whole(self, arm: Arm) -> Trial:
        """Return the trial of an arm's whole training, which is one of its method's search."""
        return self.cell(arm).tuning_trial(arm.number, self.seed)

    def trial(self, arm: Arm, step: int) -> Trial:
        """Return the trial of an arm until a rung."""
        whole = self.whole(arm)
        if step == self.rungs[-1]:
            return whole
        return whole.beginning(step)

    def job(self, arm: Arm, step: int, setup: RunSetup, store: Store) -> Job:
        """Return the job that trains an arm until a rung, from the rung before if it is still there."""
        trial, before = self.trial(arm, step), self.rungs[:-1]
        work: ScreenWork | TuneWork = ScreenWork(rungs=before)
        if trial.purpose == "tune":
            rungs = tuple((rung, None) for rung in before)
            work = TuneWork(rungs=rungs, search_trials=self.count(arm.method))
        job = make_job(trial, self.cell(arm), setup, work)
        return replace(job, checkpoint=store.checkpoint(self.whole(arm).fingerprint))

    def missing(self, arms: Iterable[Arm], step: int, store: Store) -> list[Arm]:
        """Return the arms that have no record of a rung."""
        done = store.fingerprints()
        return [arm for arm in arms if self.trial(arm, step).fingerprint not in done]
