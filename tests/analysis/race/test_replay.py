"""Replays on a made-up table, whose best method is known."""

from __future__ import annotations

import numpy as np

from whichpeft.analysis.race.replay import Table, replay
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.records.race import Arm

RULES = RaceRules(baseline="full", chance=0.5)


def made_table(*, methods: int = 12, candidates: int = 8, seed: int = 0) -> Table:
    """Curves whose rungs foretell the end fairly well; methods lie evenly over ten points."""
    rng = np.random.default_rng(seed)
    names = ["full", *(f"m{i}" for i in range(1, methods))]
    arms = tuple(Arm(method=name, number=n) for name in names for n in range(candidates))
    strength = np.repeat(np.linspace(0.88, 0.78, methods), candidates)
    strength -= 0.05 * np.abs(rng.standard_normal(len(arms))) * (np.arange(len(arms)) % candidates > 0)
    rungs = np.array([0.4, 0.7, 1.0])
    noise = 0.015 * rng.standard_normal((len(arms), 5, 3))
    scores = 0.5 + (strength[:, None, None] - 0.5) * rungs + noise
    correct = rng.random((len(arms), 5, 400)) < strength[:, None, None]
    return Table(
        arms=arms,
        steps=(16, 32, 64),
        scores=scores,
        losses=1 - scores,
        correct=correct,
        costs=np.linspace(2.0, 1.0, len(arms)),
        examples=1024,
        chance=0.5,
    )


def test_the_same_seed_gives_the_same_race():
    table = made_table()
    assert replay(table, RULES, seed=3) == replay(table, RULES, seed=3)
    assert replay(table, RULES, seed=3).race != replay(table, RULES, seed=4).race


def test_examples_of_a_race_are_those_of_its_stages():
    table = made_table()
    found = replay(table, RULES, seed=0)
    reached, used = {}, 0
    for stage in found.race.stages:
        for arm in stage.arms:
            before = reached.get((stage.name == "finals", arm), 0)
            now = stage.step if stage.name != "finals" else len(stage.seeds) * stage.step
            reached[stage.name == "finals", arm] = now
            used += (now - before) * 16
    assert found.examples == used


def test_a_race_keeps_to_its_examples():
    table = made_table()
    for units in (20, 30, 50):
        found = replay(table, RULES, units * table.examples, seed=0)
        assert found.examples <= units * table.examples


def test_a_race_ends_near_the_best_method():
    table = made_table()
    found = [replay(table, RULES, seed=seed) for seed in range(40)]
    assert np.mean([table.best - one.score <= 0.02 for one in found]) >= 0.95
