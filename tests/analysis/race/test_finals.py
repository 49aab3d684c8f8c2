"""The finals of a race: what counts at a look, who gets more seeds, and what `choose` proves later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.race.finals import next_finals
from whichpeft.analysis.race.from_records import compare_finalists
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.records import Arm, Entrant, Race, Stage, Store
from whichpeft.report import Report

from ... import builders

METHODS = ["full", "lora", "bitfit", "ia3"]
RULES = RaceRules(baseline="full")
NEAR, FAR = [0.850, 0.852, 0.851, 0.849, 0.850, 0.851, 0.850, 0.852], [0.80] * 8


def finals(*arms: Arm, seeds: int = 3, cut: tuple[Arm, ...] = ()) -> Stage:
    return Stage(name="finals", step=64, arms=arms, seeds=tuple(range(seeds)), cut=cut)


FULL, LORA, BITFIT = Arm(method="full"), Arm(method="lora", number=1), Arm(method="bitfit")
RACE = Race(
    entrants=tuple(Entrant(method=method, candidates=2) for method in METHODS),
    rungs=(16, 32, 64),
    stages=(finals(FULL, LORA, BITFIT),),
)


def finalist(arm: Arm, scores: list[float], seconds: float) -> list:
    """Return the records of an arm that won its search, each score a seed of its finals."""
    values = {"learning_rate": 0.001 * (1 + arm.number)}
    found = [builders.tuned(arm.method, number, 0.5 + (number == arm.number)) for number in (0, 1)]
    found.append(builders.profile(arm.method, seconds=seconds, hyperparameters=values))
    return found + [
        builders.final(arm.method, seed, score, hyperparameters=values)
        for seed, score in enumerate(scores)
    ]


def records_of(*, seeds: int = 3, lora=NEAR, bitfit=NEAR) -> list:
    return [
        *finalist(FULL, NEAR[:seeds], 60),
        *finalist(LORA, lora[:seeds], 30),
        *finalist(BITFIT, bitfit[:seeds], 20),
        builders.tuned("ia3", 0, 0.4),
    ]


DIFFICULTY = 6 * np.random.default_rng(0).standard_normal(4000)


def answers(records) -> dict[str, dict[str, np.ndarray]]:
    """Return predictions whose accuracy is each final record's score, the same in any company."""
    found = {}
    for record in records:
        score = record.value("score", "test")
        if record.trial.purpose == "final" and score is not None:
            rng = np.random.default_rng(int(record.trial.fingerprint[:8], 16))
            order = np.argsort(DIFFICULTY + rng.standard_normal(len(DIFFICULTY)))
            right = np.isin(np.arange(len(order)), order[: round(score * len(order))])
            outputs = np.eye(2, dtype=np.float32)[right.astype(int)]
            found[record.trial.fingerprint] = {"outputs": outputs, "labels": np.ones(len(order), int)}
    return found


def compared(records, race=RACE):
    (found,) = compare_finalists(
        builders.study(METHODS), race, records, predictions=answers(records).get
    )
    return found


def step(records, race=RACE, constraints=None):
    return next_finals(compared(records, race), race, RULES, constraints or Constraints())


def test_finals_end_as_soon_as_the_choice_is_proved() -> None:
    found = step(records_of(), constraints=Constraints(margin=0.05))
    assert (found.proved, found.arms, found.seeds) == (True, (), ())
    assert found.answer.chosen.method == "bitfit"


def test_a_finalist_far_below_gets_no_more_seeds() -> None:
    found = step(records_of(bitfit=FAR), constraints=Constraints(margin=0.004))
    assert not found.proved
    assert found.arms == (FULL, LORA)
    assert found.seeds == tuple(range(5))


def test_a_baseline_over_a_limit_has_the_first_look_only() -> None:
    limits = Constraints(margin=0.004, limits={"time": 45.0})
    assert step(records_of(), constraints=limits).arms == (LORA, BITFIT)


def test_a_look_that_is_not_complete_proves_nothing() -> None:
    records = records_of()
    missing = [r for r in records if not (r.trial.method == "lora" and r.trial.purpose == "final")]
    for incomplete, race in (
        (missing, RACE),
        (records, replace(RACE, stages=(finals(FULL, LORA, BITFIT, cut=(LORA,)),))),
    ):
        found = step(incomplete, race, Constraints(margin=0.09))
        assert (found.proved, found.level, found.seeds) == (False, 0.0, ())


def test_only_the_seeds_of_complete_looks_count() -> None:
    """A fourth and fifth seed of an unfinished look change nothing."""
    race = replace(RACE, stages=(*RACE.stages, finals(FULL, LORA, BITFIT, seeds=5)))
    at_first = step(records_of(), constraints=Constraints(margin=0.004))
    unfinished = [*records_of(), *finalist(LORA, FAR[:5], 30)[-2:]]
    found = step(unfinished, race, Constraints(margin=0.004))
    assert found.level == at_first.level
    assert found.answer.evidence.fewest_seeds == 3
    assert found.answer.chosen.gap == at_first.answer.chosen.gap


def test_seeds_that_would_prove_nothing_are_not_run() -> None:
    found = step(records_of(), constraints=Constraints(margin=0.0001))
    assert (found.ended, found.arms, found.proved) == ("nothing left", (), False)


def test_the_last_look_ends_the_finals() -> None:
    stages = tuple(finals(FULL, LORA, BITFIT, seeds=seeds) for seeds in (3, 5, 8))
    found = step(records_of(seeds=8), replace(RACE, stages=stages), Constraints(margin=0.0001))
    assert (found.ended, found.arms) == ("all looks", ())
    assert 0 < found.level < 0.05


def test_one_look_may_spend_the_whole_error() -> None:
    """A race that can pay for one look decides so before it, and proves more by it."""
    alone = replace(RACE, looks=(3,))
    assert step(records_of(), alone).level > step(records_of()).level


def test_choose_proves_at_the_same_level_later(tmp_path) -> None:
    store = Store(tmp_path)
    store.keep_study(builders.study(METHODS))
    records = records_of()
    for record in records:
        store.add(record, predictions=answers([record]).get(record.trial.fingerprint))
    store.keep_race(RACE)
    (answer,) = Report.read(tmp_path).choose()
    assert answer.level == pytest.approx(step(records).level)
    assert answer.level < 0.05
    assert "ia3" not in {candidate.method for candidate in answer.candidates}
    assert not answer.still_open
