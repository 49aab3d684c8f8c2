"""A planted method that is at chance until 60 % of its steps and then the best of all."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis.race.replay import Outcome, replay
from whichpeft.analysis.race.rules import RaceRules

from .made import made_table, with_slow_starter
from .tables import NAMES, frozen

ENOUGH = 0.70


def is_found(race: Outcome, method: str) -> bool:
    """Whether a method was trained to the end after it had been dropped, and tested because of it."""
    stages = {stage.name: {arm.method for arm in stage.arms} for stage in race.race.stages}
    finals = next(stage for stage in race.race.stages if stage.name == "finals")
    return method in stages["audit"] and method in {arm.method for arm in finals.arms}


@pytest.mark.parametrize("name", NAMES)
def test_the_audit_finds_it_among_real_methods(name: str):
    table = frozen(name)
    rules = RaceRules(baseline="full", chance=table.chance)
    found = {}
    for method in table.methods[1:]:
        planted = with_slow_starter(table, method)
        races = [replay(planted, rules, seed=seed) for seed in range(10)]
        found[method] = np.mean([is_found(race, method) for race in races])
    assert np.mean(list(found.values())) >= ENOUGH, found


@pytest.mark.parametrize("slow", [0.1, 0.25, 0.5])
def test_the_audit_finds_it_among_58_methods_many_of_which_are_slow(slow: float):
    found = []
    for seed in range(60):
        method = f"m{1 + seed % 57:02d}"
        table = with_slow_starter(made_table(methods=58, slow=slow, seed=seed), method, seed=seed)
        rules = RaceRules(baseline="full", chance=table.chance, seed=seed)
        found.append(is_found(replay(table, rules, seed=seed), method))
    assert np.mean(found) >= ENOUGH
