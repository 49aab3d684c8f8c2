"""Races on the frozen table and on made-up ones, whose best method is known."""

from __future__ import annotations

import numpy as np
import pytest

from whichpeft.analysis.race.replay import replay
from whichpeft.analysis.race.rules import RaceRules

from .made import EXAMPLES, made_table
from .tables import NAMES, frozen

RULES = RaceRules(baseline="full", chance=0.5)
RESAMPLINGS = 300


@pytest.mark.parametrize("name", NAMES)
def test_a_race_ends_near_the_exhaustive_best_from_an_eighth_of_its_examples(name: str):
    table = frozen(name)
    rules = RaceRules(baseline="full", chance=table.chance)
    most = table.exhaustive_examples // 8
    found = [replay(table, rules, most, seed=seed) for seed in range(RESAMPLINGS)]
    assert max(one.examples for one in found) <= most
    assert np.mean([table.best - one.score <= 0.02 for one in found]) >= 0.95


@pytest.mark.parametrize("name", NAMES)
def test_a_race_without_a_bound_takes_about_a_seventh(name: str):
    """6.6 times fewer than the exhaustive study on digits and SST-2, 7.2 times on stdlib-docs."""
    table = frozen(name)
    rules = RaceRules(baseline="full", chance=table.chance)
    found = [replay(table, rules, seed=seed) for seed in range(RESAMPLINGS)]
    assert np.mean([one.examples for one in found]) <= table.exhaustive_examples / 6.2
    assert np.mean([table.best - one.score <= 0.02 for one in found]) >= 0.95


def test_a_race_of_30_methods_takes_less_than_an_eighth():
    for seed in range(5):
        table = made_table(methods=30, seed=seed)
        found = [replay(table, RULES, seed=seed) for seed in range(4)]
        assert np.mean([one.examples for one in found]) <= table.exhaustive_examples / 8


def test_the_same_seed_gives_the_same_race():
    table = made_table()
    assert replay(table, RULES, seed=3) == replay(table, RULES, seed=3)
    assert replay(table, RULES, seed=3).race != replay(table, RULES, seed=4).race


def test_examples_of_a_race_are_those_of_its_stages():
    table = made_table()
    found = replay(table, RULES, seed=0)
    reached, steps = {}, 0
    for stage in found.race.stages:
        tested = stage.name == "finals"
        for arm in stage.arms:
            now = len(stage.seeds) * stage.step if tested else stage.step
            steps += now - reached.get((arm, tested), 0)
            reached[arm, tested] = now
    assert found.examples == steps * EXAMPLES // table.steps[-1]


@pytest.mark.parametrize("whole_trainings", [20, 30, 50])
def test_a_race_keeps_to_its_examples(whole_trainings: int):
    table = made_table()
    found = [replay(table, RULES, whole_trainings * EXAMPLES, seed=seed) for seed in range(10)]
    assert max(one.examples for one in found) <= whole_trainings * EXAMPLES
