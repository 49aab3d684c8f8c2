"""The stages of a race, from made-up validations."""

from __future__ import annotations

import math
import random

import pytest

from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.analysis.race.stages import next_stage
from whichpeft.records.race import Arm, Entrant, Race, Stage

RUNGS = (16, 32, 64)
RULES = RaceRules(baseline="full", chance=0.5)
METHODS = ("lora", "full", *(f"m{i}" for i in range(14)))


def race(*stages: Stage, methods=METHODS, candidates=4) -> Race:
    entrants = tuple(Entrant(method=method, candidates=candidates) for method in methods)
    return Race(entrants=entrants, rungs=RUNGS, stages=stages)


def anything(name: str, step: int) -> None:
    """Afford any number of arms."""


def shown(strength: dict[str, float], arms, step: int) -> dict[tuple[Arm, int], RungScore]:
    """Validations of arms that are better the more training they had; candidate 1 is the best one."""
    share = step / RUNGS[-1]
    return {
        (arm, step): RungScore(0.5 + share * (strength[arm.method] - 0.02 * abs(arm.number - 1)))
        for arm in arms
    }


def run(strength, *, methods=METHODS, rules=RULES, afford=anything) -> Race:
    found, scores = race(methods=methods), {}
    while (stage := next_stage(found, scores, rules, afford)) is not None:
        scores |= shown(strength, stage.arms, stage.step)
        found = Race(entrants=found.entrants, rungs=RUNGS, stages=(*found.stages, stage))
    return found


def test_defaults_start_first_and_the_baseline_before_them():
    first = next_stage(race(), {}, RULES, anything)
    assert first is not None
    assert [arm.method for arm in first.arms[:3]] == ["full", "lora", "m0"]
    assert [arm.number for arm in first.arms] == [n for n in range(4) for _ in METHODS]
    assert (first.name, first.step) == ("screen", 16)


def test_a_race_ends_with_its_best_methods_and_the_baseline():
    strength = {method: 0.4 - 0.02 * i for i, method in enumerate(METHODS)} | {"full": 0.05}
    found = run(strength)
    names = [(stage.name, stage.step) for stage in found.stages]
    assert names[:4] == [("screen", 16), ("screen", 32), ("screen", 64), ("audit", 64)]
    finals = found.stages[-1]
    assert (finals.name, finals.seeds) == ("finals", (0, 1, 2))
    assert [arm.method for arm in finals.arms] == ["lora", "m0", "m1", "m2", "m3", "m4", "full"]
    assert {arm.number for arm in finals.arms} == {1}


def test_at_most_two_arms_of_a_method_and_eight_methods_continue():
    strength = {method: 0.4 - 0.02 * i for i, method in enumerate(METHODS)}
    second = run(strength).stages[1]
    counts = [sum(arm.method == method for arm in second.arms) for method in METHODS]
    assert max(counts) == 2
    assert sum(count > 0 for count in counts) >= 8


def test_what_cannot_be_paid_for_does_not_start():
    strength = {method: 0.4 - 0.02 * i for i, method in enumerate(METHODS)} | {"full": 0.0}
    buys = {"screen": 10, "audit": 0, "widen": 0, "finals": 3}
    found = run(strength, afford=lambda name, step: buys[name])
    assert [len(stage.arms) for stage in found.stages] == [10, 9, 9, 3]
    assert [arm.method for arm in found.stages[-1].arms] == ["lora", "m0", "full"]


def test_nothing_is_tested_if_all_arms_failed():
    first = next_stage(race(), {}, RULES, anything)
    assert first is not None
    failed = {(arm, 16): RungScore(None) for arm in first.arms}
    assert next_stage(race(first), failed, RULES, anything) is None


@pytest.mark.parametrize("seed", range(60))
def test_any_race_ends_and_nothing_in_it_starts_twice(seed: int):
    """Arms fail, are cut off or diverge; budgets end at any stage; short trainings have fewer rungs."""
    rng = random.Random(seed)
    rungs = RUNGS[rng.randrange(3) :]
    entrants = tuple(
        Entrant(method=method, candidates=rng.randint(0, 5), over=(0,) if rng.random() < 0.1 else ())
        for method in METHODS[: rng.randint(1, len(METHODS))]
    )
    found, scores = Race(entrants=entrants, rungs=rungs), {}
    scarce = rng.random()

    def afford(name: str, step: int) -> int | None:
        return rng.randint(0, 30) if rng.random() < scarce else None

    for _ in range(10):
        stage = next_stage(found, scores, RULES, afford)
        if stage is None:
            break
        assert len(set(stage.arms)) == len(stage.arms) > 0
        if stage.name in ("audit", "widen"):
            assert not any((arm, stage.step) in scores for arm in stage.arms)
        for arm in stage.arms:
            if rng.random() < 0.8:
                score = rng.choice([None, math.nan, 0.5, rng.random()])
                scores[arm, stage.step] = RungScore(score, rng.choice([None, math.inf, rng.random()]))
        found = Race(entrants=entrants, rungs=rungs, stages=(*found.stages, stage))
    assert stage is None
    finals = [stage for stage in found.stages if stage.name == "finals"]
    if any(own.score is not None and math.isfinite(own.score) for own in scores.values()):
        assert len(finals) == 1
        methods = [arm.method for arm in finals[0].arms]
        assert len(set(methods)) == len(methods) <= RULES.finalists + 1


@pytest.mark.parametrize(("methods", "tested"), [(1, 1), (2, 2), (4, 4), (12, 5), (16, 7)])
def test_a_third_of_few_methods_and_the_baseline_are_tested(methods: int, tested: int):
    names = ("full", *(f"m{i}" for i in range(methods - 1)))
    strength = {name: 0.1 + 0.01 * i for i, name in enumerate(names)}
    assert len(run(strength, methods=names).stages[-1].arms) == tested
