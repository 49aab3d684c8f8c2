"""A race as `whichpeft auto` leaves it: decisions and records, with numbers that a test can choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from whichpeft.analysis.race.from_records import rung_scores
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.stages import next_stage
from whichpeft.records import Arm, Entrant, Outcome, Race, Record
from whichpeft.records.selection import SEARCH_SEED
from whichpeft.study import AutoOptions, Budget, Study, UntilDecided

from . import builders

RUNGS = (16, 32, 64)
BUDGET = Budget(epochs=2, max_train=512, batch_size=16, tuning_trials=3)
CANDIDATES = 3


def study(methods: Sequence[str], **changed: object) -> Study:
    """Return the study of a race; `changed` replaces any of its fields."""
    fields = {
        "budget": BUDGET,
        "seeds": UntilDecided(start=3, at_most=8),
        "auto": AutoOptions(candidates=CANDIDATES, finalists=3),
    }
    return builders.study(methods, **(fields | changed))


def values(number: int) -> dict[str, float]:
    """Return the hyperparameters of a candidate; number 0 has the default learning rate."""
    return {"learning_rate": 0.001 * (1 + number)}


def reading(arm: Arm, step: int, score: float | None) -> Record:
    """Return the record of an arm at a rung; without a score it failed."""
    last = step == RUNGS[-1]
    trial = builders.trial(
        arm.method,
        SEARCH_SEED,
        purpose="tune" if last else "screen",
        stop_after=None if last else step,
        number=arm.number,
        hyperparameters=values(arm.number),
        budget=BUDGET,
    )
    if score is None:
        outcome = Outcome(status="failed", phase="fit", reason="the loss is not finite")
        return Record(trial=trial, setting=builders.SETTING, outcome=outcome)
    reason = f"paused after {step} of {RUNGS[-1]} steps"
    outcome = Outcome(status="stopped", phase="validate", reason=reason)
    return Record(
        trial=trial,
        setting=builders.SETTING,
        outcome=Outcome(status="completed") if last else outcome,
        measurements=(
            *builders.measurements(
                {"validation_score": score, "validation_loss": 1.2 - score}, "validate"
            ),
            *builders.measurements({"steps": step, "examples_trained": 16 * step}, "fit"),
            *builders.measurements({"total_seconds": 2.0 + step / 4}, "all"),
        ),
    )


def final_of(arm: Arm, seed: int, score: float, adapter: int) -> Record:
    """Return the final record of an arm."""
    found = builders.final(
        arm.method, seed, score, adapter=adapter, hyperparameters=values(arm.number), budget=BUDGET
    )
    more = builders.measurements({"steps": RUNGS[-1], "examples_trained": 16 * RUNGS[-1]}, "fit")
    return replace(found, measurements=(*found.measurements, *more))


def race(
    quality: Mapping[str, float],
    *,
    out: Sequence[Entrant] = (),
    seeds: Sequence[int] = (3,),
    fails: Sequence[str] = (),
    until: int = 99,
    rules: RaceRules | None = None,
) -> tuple[Study, Race, list[Record]]:
    """Return a race between methods, run by its own rules.

    Parameters
    ----------
    quality
        By method, what it scores at the end; candidate 1 of each is a point better than its defaults.
    out
        Entrants that do not race.
    seeds
        Number of seeds at each look of the finals; at later looks the worst finalist is left out.
    fails
        Methods all of whose arms fail.
    until
        Number of stages after which to stop, with all their records.
    rules
        The rules; three finalists and one audited method by default.
    """
    rules = rules or RaceRules(baseline="full", candidates=CANDIDATES, finalists=3, audited=1)
    asked = study([*quality, *(entrant.method for entrant in out)])
    entrants = [Entrant(method=method, candidates=CANDIDATES) for method in quality]
    found = Race(entrants=(*entrants, *out), rungs=RUNGS)
    rng = np.random.default_rng(0)
    records: list[Record] = []
    while len(found.stages) < until:
        stage = next_stage(found, rung_scores(found, records), rules, lambda name, step: None)
        if stage is None:
            break
        found = replace(found, stages=(*found.stages, stage))
        for arm in stage.arms:
            end = quality[arm.method] + 0.01 * (arm.number == 1) - 0.02 * (arm.number == 2)
            if stage.name == "finals":
                continue
            share = stage.step / RUNGS[-1]
            score = 0.5 + (end - 0.5) * share**0.3 + 0.004 * rng.standard_normal()
            lost = arm.method in fails
            records.append(reading(arm, stage.step, None if lost else round(score, 4)))
    if found.stages and found.stages[-1].name == "finals":
        first = found.stages[-1]
        looks = [
            replace(first, arms=first.arms if i == 0 else first.arms[:-1], seeds=tuple(range(count)))
            for i, count in enumerate(seeds)
        ]
        found = replace(found, stages=(*found.stages[:-1], *looks), ended="proved")
        for arm in first.arms:
            most = max(len(stage.seeds) for stage in looks if arm in stage.arms)
            adapter = builders.BASE if arm.method == "full" else 10_000
            records.append(
                builders.profile(
                    arm.method,
                    adapter=adapter,
                    seconds=60.0 if arm.method == "full" else 26.0,
                    hyperparameters=values(arm.number),
                    budget=BUDGET,
                )
            )
            records += [
                final_of(
                    arm, seed, round(quality[arm.method] + 0.002 * rng.standard_normal(), 3), adapter
                )
                for seed in range(most)
            ]
    return asked, found, records
