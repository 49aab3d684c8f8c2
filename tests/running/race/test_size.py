"""What a race costs, and what its bound buys."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest

from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.stages import continuing_arms
from whichpeft.errors import StudyError
from whichpeft.records.race import Arm
from whichpeft.running.race.check import check_bound
from whichpeft.running.race.size import (
    Pace,
    Workload,
    bound_to_prove,
    least_bound,
    size_for,
    size_for_trials,
)
from whichpeft.running.race.sizing import size_as_budget, size_of
from whichpeft.study import AutoOptions, Budget

SST2 = {"train": 67349, "validation": 872, "test": 872}
# Of minilm with full on one core: examples per second 150 in training, 450 in evaluation.
PACE = Pace(train=1 / 150, evaluate=1 / 450, trial=1.0, profile=3.2, places=2)
WORK = Workload(methods=51, rules=RaceRules(baseline="full"), budget=Budget(), examples=SST2, pace=PACE)


def test_a_busy_machine_refuses_no_time_that_is_enough_when_it_is_quiet() -> None:
    least = least_bound(WORK)
    with pytest.raises(StudyError, match="too short for a finalist"):
        check_bound(WORK, AutoOptions(within=0.4 * least))
    busy = replace(WORK, pace=replace(PACE, shares=(0.3, 1.3)))
    check_bound(busy, AutoOptions(within=0.4 * least))
    with pytest.raises(StudyError, match="too short for a finalist"):
        check_bound(busy, AutoOptions(within=0.25 * least))


def test_without_a_bound_everything_is_trained() -> None:
    size = size_for(WORK, None)
    assert (size.train, size.candidates, size.fits) == (67349, 8, True)
    capped = replace(WORK, budget=Budget(max_train=600))
    assert size_for(capped, None).train == 600


@pytest.mark.parametrize("bound", [600.0, 1800.0, 3600.0, 4 * 3600.0, 12 * 3600.0])
def test_a_bound_is_used_and_kept(bound: float) -> None:
    size = size_for(WORK, bound)
    assert size.fits
    assert size.train % 16 == 0
    more = WORK.cost(size.train + 16, size.candidates)
    assert size.cost <= bound < more


def test_more_than_four_candidates_are_tried_only_on_all_examples() -> None:
    work = replace(WORK, methods=12, budget=Budget(max_train=1280), pace=Pace())
    whole = 3 * 1280
    sizes = [size_for(work, whole * trainings) for trainings in (30, 40, 50, 60, 80)]
    assert [(size.candidates, size.train) for size in sizes] == [
        (4, 800), (4, 1056), (6, 1280), (8, 1280), (8, 1280),
    ]  # fmt: skip
    assert all(size.fits for size in sizes)


def test_more_time_never_buys_fewer_candidates() -> None:
    sizes = [size_for(WORK, 60.0 * minutes) for minutes in range(1, 200, 7)]
    for before, after in itertools.pairwise(sizes):
        assert after.candidates >= before.candidates
        assert after.train >= before.train or after.candidates > before.candidates
    steps = [3 * size.train // 16 for size in sizes]
    assert min(steps) >= 64  # the first rung has 16
    assert not sizes[0].fits
    assert (sizes[0].candidates, sizes[0].train) == (1, 352)


def test_examples_count_training_alone() -> None:
    work = replace(
        WORK,
        methods=2,
        rules=RaceRules(baseline="full", candidates=1, finalists=1),
        pace=Pace(),
        budget=Budget(epochs=8, max_train=1000),
    )
    # Two arms to the end, then a finalist and the baseline on three seeds.
    assert work.cost(1000, 1, seeds=3) == 8 * (2 * 1000 + 2 * 3 * 1000)
    size = size_for(work, 48_000)
    assert (size.train, size.cost) == (496, 47_616)  # 12 trainings: two arms, two methods on five seeds


def test_trials_keep_all_training_examples() -> None:
    size = size_for_trials(WORK, 90)
    assert (size.train, size.fits) == (67349, True)
    assert size.cost <= 90 * 3 * 67349
    assert size.candidates < size_for_trials(WORK, 300).candidates
    assert size_for_trials(WORK, 10).fits is False


def test_screens_are_no_larger_than_foreseen() -> None:
    rng = random.Random(0)
    for methods, candidates in ((2, 1), (5, 4), (12, 4), (51, 1), (51, 4)):
        work = replace(WORK, methods=methods)
        arms = [Arm(method=f"m{m}", number=n) for m in range(methods) for n in range(candidates)]
        foreseen = work.screened(candidates)
        rng.shuffle(arms)
        second = continuing_arms(arms, "m0", places=math.ceil(len(arms) / 3), most=2)
        third = continuing_arms(second, "m0", places=math.ceil(len(arms) / 9))
        assert foreseen[0] == len(arms)
        assert len(second) - 1 <= foreseen[1] <= len(second) + 1
        assert len(third) - 2 <= foreseen[2] <= len(third) + 1


def test_the_least_time_is_far_below_that_of_a_proof() -> None:
    least, proof = least_bound(WORK), bound_to_prove(WORK)
    assert 20 < least < 120
    assert 5 * least < proof < 1800
    one = least_bound(replace(WORK, methods=1))
    assert one < least


def test_short_time_is_not_spent_on_validation() -> None:
    auto = AutoOptions(within=600.0)
    size = size_of(WORK, auto, 550.0)
    whole = size_of(replace(WORK, budget=Budget(max_validation=872)), auto, 550.0)
    assert size.validation is not None
    assert size.validation >= max(200, size.train * size.epochs // 4)
    assert size.train > whole.train
    assert size_as_budget(size, WORK.budget, WORK).max_validation == size.validation
    assert size_of(WORK, AutoOptions(within=1e6), 1e6).validation is None
    assert size_of(WORK, AutoOptions(examples=10**6), 0.0).validation is None
