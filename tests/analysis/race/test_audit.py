"""Which dropped methods are audited, what follows from it, and what the first rung was worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from whichpeft.analysis.race.audit import audited_arms, dropped_methods, widened_arms
from whichpeft.analysis.race.correlation import rung_correlation, weighted_spearman
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.analysis.race.stages import next_stage
from whichpeft.records.race import Arm, Entrant, Race, Stage

METHODS = ("full", *(f"m{i:02d}" for i in range(1, 40)))
AT_CHANCE = {f"m{i:02d}" for i in range(30, 40)}
RULES = RaceRules(baseline="full", chance=0.5)


def arms(*methods: str, numbers: int = 2) -> tuple[Arm, ...]:
    return tuple(Arm(method=method, number=n) for n in range(numbers) for method in methods)


def screened(ends: dict[str, float] | None = None) -> tuple[Race, dict[tuple[Arm, int], RungScore]]:
    """A race after its screens: ten methods were trained to the end, and ten are at chance."""
    entrants = tuple(Entrant(method=method, candidates=2) for method in METHODS)
    first, last = arms(*METHODS), arms(*METHODS[:10], numbers=1)
    stages = [
        Stage(name="screen", step=step, arms=a) for step, a in ((16, first), (32, last), (64, last))
    ]
    scores = {
        (arm, 16): RungScore(0.5 if arm.method in AT_CHANCE else 0.8 - 0.005 * METHODS.index(arm.method))
        for arm in first
    }
    for step in (32, 64):
        scores |= {(arm, step): RungScore(0.9 - 0.005 * METHODS.index(arm.method)) for arm in last}
    return Race(entrants=entrants, rungs=(16, 32, 64), stages=tuple(stages)), scores


def test_most_methods_at_chance_and_few_others_are_audited():
    race, scores = screened()
    dropped = dropped_methods(race, scores, RULES)
    assert [one.arm.method for one in dropped] == list(METHODS[10:])
    assert {one.arm.method for one in dropped if one.stuck} == AT_CHANCE
    assert {one.stuck: one.probability for one in dropped} == {True: 0.9, False: 2 / 20}
    audited = audited_arms(race, scores, RULES)
    assert [arm.method in AT_CHANCE for arm in audited] == [True] * 9 + [False] * 2
    assert all(arm.number == 0 for arm in audited if arm.method in AT_CHANCE)


def test_each_method_is_audited_as_often_as_its_probability_says():
    race, scores = screened()
    counts = dict.fromkeys(METHODS[10:], 0)
    for seed in range(400):
        for arm in audited_arms(race, scores, replace(RULES, seed=seed)):
            counts[arm.method] += 1
    for one in dropped_methods(race, scores, RULES):
        assert counts[one.arm.method] / 400 == pytest.approx(one.probability, abs=0.06)


def test_without_a_chance_level_all_methods_are_audited_alike():
    race, scores = screened()
    dropped = dropped_methods(race, scores, replace(RULES, chance=None))
    assert {one.probability for one in dropped} == {5 / 30}
    assert len(audited_arms(race, scores, replace(RULES, chance=None))) == 5


def test_a_good_audited_method_brings_its_other_arms_and_others_of_its_kind():
    race, scores = screened()
    audit = audited_arms(race, scores, RULES)
    race = replace(race, stages=(*race.stages, Stage(name="audit", step=64, arms=audit)))
    lucky = audit[0]
    scores |= {(arm, 64): RungScore(0.95 if arm == lucky else 0.55) for arm in audit}
    wider = widened_arms(race, scores, RULES)
    assert wider[0] == replace(lucky, number=1)
    assert {wider[1].method} == AT_CHANCE - {arm.method for arm in audit}
    stage = next_stage(race, scores, RULES, lambda name, step: None)
    assert stage is not None
    assert (stage.name, stage.why) == ("widen", f"the audit found {lucky.method}")


def test_a_method_that_left_chance_gets_its_other_arms_trained():
    """Its default is no finalist, but another of its arms may be."""
    race, scores = screened()
    audit = audited_arms(race, scores, RULES)
    race = replace(race, stages=(*race.stages, Stage(name="audit", step=64, arms=audit)))
    scores |= {(arm, 64): RungScore(0.84 if arm == audit[2] else 0.55) for arm in audit}
    assert widened_arms(race, scores, RULES) == (replace(audit[2], number=1),)


def test_nothing_follows_an_audit_that_found_nothing():
    race, scores = screened()
    audit = audited_arms(race, scores, RULES)
    race = replace(race, stages=(*race.stages, Stage(name="audit", step=64, arms=audit)))
    scores |= {(arm, 64): RungScore(0.55) for arm in audit}
    assert widened_arms(race, scores, RULES) == ()
    stage = next_stage(race, scores, RULES, lambda name, step: None)
    assert stage is not None
    assert stage.name == "finals"


def test_equal_weights_give_the_usual_rank_correlation():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, (2, 30)).astype(float)
    found = weighted_spearman(one, other, np.ones(30))
    assert found.mean == pytest.approx(spearmanr(one, other).statistic)
    half = 1.96 * np.sqrt(1.06 / 27)
    assert np.arctanh(found.high) - np.arctanh(found.low) == pytest.approx(2 * half, rel=1e-3)


def test_a_weight_counts_as_equal_values():
    one, other = np.array([1.0, 2, 3, 4, 4, 4]), np.array([1.0, 3, 2, 5, 5, 5])
    found = weighted_spearman(one[:4], other[:4], np.array([1.0, 1, 1, 3]))
    assert found.mean == pytest.approx(spearmanr(one, other).statistic)


def test_the_interval_holds_the_correlation_over_all_methods():
    """Half of the methods, those that look best, are known; of the others a fifth."""
    rng = np.random.default_rng(0)
    held, bias = [], []
    for _ in range(400):
        end = rng.standard_normal(40)
        rung = 0.6 * end + 0.8 * rng.standard_normal(40)
        order = np.argsort(-rung)
        known = np.concatenate((order[:20], rng.choice(order[20:], 4, replace=False)))
        weights = np.repeat([1.0, 5.0], [20, 4])
        truth = spearmanr(rung, end).statistic
        found = weighted_spearman(rung[known], end[known], weights)
        held.append(found.low <= truth <= found.high)
        bias.append(found.mean - truth)
    assert np.mean(held) >= 0.95
    assert abs(np.mean(bias)) < 0.05


def test_the_correlation_of_a_race_counts_audited_methods_for_those_that_were_not():
    race, scores = screened()
    audit = audited_arms(race, scores, RULES)
    race = replace(race, stages=(*race.stages, Stage(name="audit", step=64, arms=audit)))
    scores |= {(arm, 64): RungScore(0.55) for arm in audit}
    found = rung_correlation(race, scores, RULES)
    assert (found.methods, found.step) == (21, 16)
    at_end = [0.9 - 0.005 * i for i in range(10)] + [0.55] * 30
    at_rung = [0.8 - 0.005 * i for i in range(30)] + [0.5] * 10
    assert found.interval.mean == pytest.approx(spearmanr(at_rung, at_end).statistic, abs=0.02)


def test_an_audit_that_was_cut_off_counts_for_all_dropped_methods():
    race, scores = screened()
    audit = audited_arms(race, scores, RULES)
    race = replace(race, stages=(*race.stages, Stage(name="audit", step=64, arms=audit)))
    scores |= {(arm, 64): RungScore(0.55) for arm in audit[:5]}
    assert rung_correlation(race, scores, RULES).methods == 15
