"""Carries a race out: screen, audit, finals, each stage decided from the records of those before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.race.finals import next_finals
from whichpeft.analysis.race.from_records import compare_finalists, rung_scores
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.stages import next_stage
from whichpeft.engine import Job
from whichpeft.planning import Cell
from whichpeft.records import Entrant, Race, Record, Stage, Store
from whichpeft.report.race.stage_words import stage_words
from whichpeft.running.race.arms import Arms
from whichpeft.running.race.bounds import Bound
from whichpeft.running.stages import Stages
from whichpeft.running.trial_claims import claim_names, unclaimed_jobs
from whichpeft.study import Trial

_ASK_EVERY = 0.5  # seconds


@dataclass(kw_only=True)
class RaceRun:
    """A race in progress. Other processes may race in the same folder, and share its stages."""

    stages: Stages
    """Carries trials out."""

    arms: Arms
    """The arms as trials."""

    entrants: tuple[Entrant, ...]
    """The methods, and which of them race."""

    bound: Bound
    """What limits it."""

    rules: RaceRules
    """Its rules."""

    constraints: Constraints
    """What the chosen method has to fit."""

    @property
    def store(self) -> Store:
        """The run folder."""
        return self.stages.store

    def run(self) -> Race:
        """Run stage after stage until the race has ended; keep each decision before acting on it."""
        while (race := self._decided()).ended is None:
            stage = race.stages[-1]
            self.stages.observer.notify(stage_words(race, rung_scores(race, self._records())))
            if stage.name == "finals":
                self._forget_paused(race)
                self._test(stage)
            else:
                self._train(stage, self.bound.cut_at(race))
        return race

    def _decided(self) -> Race:
        """Return the race as it stands: with a stage that is left to run, or ended."""
        with self.stages.claims.lock():
            race = self.store.race() or self._new()
            if race.ended == "time" and not self.stages.over:  # there is more time now
                race = replace(race, ended=None)
            if race.ended is None and self.stages.over:
                race = replace(race, ended="time")
            elif race.ended is None and not (race.stages and self._left(race.stages[-1])):
                race = self._next(race)
            self.store.keep_race(race)
            return race

    def _new(self) -> Race:
        return Race(entrants=self.entrants, rungs=self.arms.rungs, looks=self.rules.looks)

    def _left(self, stage: Stage) -> bool:
        """Whether trials of a stage are left to run."""
        if stage.name == "finals":
            done = self.store.fingerprints()
            return any(trial.fingerprint not in done for trial, _ in self._finals(stage))
        return bool(
            self.arms.missing([a for a in stage.arms if a not in stage.cut], stage.step, self.store)
        )

    def _records(self) -> list[Record]:
        return [record for record in self.store.each() if isinstance(record, Record)]

    def _next(self, race: Race) -> Race:
        """Decide on the next stage, or that there is none."""
        records = self._records()
        if race.stages and race.stages[-1].name == "finals":
            return self._after_look(race, records)
        scores = rung_scores(race, records)
        afford = self.bound.afford(race, scores, self.rules.looks[0])
        stage = next_stage(race, scores, self.rules, afford)
        if stage is None:
            return replace(race, ended="nothing left")
        return replace(race, stages=(*race.stages, stage))

    def _after_look(self, race: Race, records: Sequence[Record]) -> Race:
        """Decide after a look of the finals which finalists get more seeds."""
        found = compare_finalists(
            self.stages.request.whole, race, records, predictions=self.store.predictions
        )
        step = next_finals(found[0], race, self.rules, self.constraints)
        if not step.seeds:
            return replace(race, ended=step.ended or "nothing left")
        look = Stage(
            name="finals",
            step=race.rungs[-1],
            arms=step.arms,
            seeds=step.seeds,
            why="finalists that are not decided yet",
        )
        if not self.bound.pays_for(race, rung_scores(race, records), look):
            return replace(race, ended="examples")
        return replace(race, stages=(*race.stages, look))

    def _train(self, stage: Stage, cut_at: float | None) -> None:
        """Train the arms of a stage until its rung, and note those that the clock cut off."""
        arms = [arm for arm in stage.arms if arm not in stage.cut]
        missing = self.arms.missing(arms, stage.step, self.store)
        jobs = [self.arms.job(arm, stage.step, self.stages.setup, self.store) for arm in missing]
        resources = self.stages.resources([self.arms.cell(arm) for arm in missing])
        waiting = _until(unclaimed_jobs(jobs, self.store, self.stages.claims), cut_at)
        name = "screen" if stage.name == "screen" else "audit"
        self.stages.carry_out(name, jobs, waiting, resources, done=len(arms) - len(jobs))
        self._wait_for_others(jobs)
        if self.stages.over:
            return
        with self.stages.claims.lock():
            self._note_cut(stage)

    def _note_cut(self, stage: Stage) -> None:
        race = self.store.race()
        if race is None or race.stages[-1].name != stage.name or race.stages[-1].step != stage.step:
            return  # another process has noted it already
        last = race.stages[-1]
        cut = tuple(self.arms.missing(last.arms, last.step, self.store))
        self.store.keep_race(replace(race, stages=(*race.stages[:-1], replace(last, cut=cut))))

    def _wait_for_others(self, jobs: Iterable[Job]) -> None:
        """Wait until no other process trains an arm of a stage that was cut off here."""
        claims = self.stages.claims
        while not self.stages.over and any(
            claims.holder(name) for job in jobs for name in claim_names(job)
        ):
            time.sleep(_ASK_EVERY)

    def _test(self, stage: Stage) -> None:
        """Test the finalists: on their costs once, and on every seed of the stage."""
        self.stages.profile([self.arms.cell(arm) for arm in stage.arms])
        if not self.stages.over:
            self.stages.test(self._finals(stage))

    def _finals(self, stage: Stage) -> list[tuple[Trial, Cell]]:
        cells = [self.arms.cell(arm) for arm in stage.arms]
        return [(cell.final(seed), cell) for cell in cells for seed in stage.seeds]

    def _forget_paused(self, race: Race) -> None:
        """Delete what arms have left to continue from: in the finals none does."""
        for arm in {arm for stage in race.stages for arm in stage.arms}:
            self.store.checkpoint(self.arms.whole(arm).fingerprint).unlink(missing_ok=True)


def _until(jobs: Iterator[Job | None], cut_at: float | None) -> Iterator[Job | None]:
    """Yield jobs until the time for them is over; a job that is not yielded is not claimed either."""
    while cut_at is None or time.monotonic() < cut_at:
        try:
            yield next(jobs)
        except StopIteration:
            return
