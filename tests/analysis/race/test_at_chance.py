"""Methods at chance continue past the first rung, where there is nothing to rank them by."""

from __future__ import annotations

from whichpeft.analysis.race.at_chance import methods_at_chance, stand_ins
from whichpeft.analysis.race.rules import RaceRules
from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.analysis.race.stages import next_stage
from whichpeft.records.race import Arm, Entrant, Race, Stage

# SST-2 after 16 of 64 steps: candidates with their score and loss there.
SEEN = {
    ("full", 0): (0.608, 0.656),
    ("full", 4): (0.675, 0.662),
    ("full", 1): (0.496, 0.691),
    ("adalora", 0): (0.517, 0.686),
    ("adalora", 1): (0.496, 0.741),  # ends at 0.805, far above the others of its method
    ("adalora", 2): (0.537, 0.691),
    ("adalora", 3): (0.525, 0.689),
}
SCORES = {(Arm(method=m, number=n), 16): RungScore(*shown) for (m, n), shown in SEEN.items()}
ARMS = tuple(arm for arm, _ in SCORES)


def arm(method: str, number: int) -> Arm:
    return Arm(method=method, number=number)


def test_a_method_has_left_chance_by_the_arm_of_lowest_loss():
    found = methods_at_chance(ARMS, 16, SCORES, 0.5)
    assert found == {"adalora": [arm("adalora", n) for n in range(4)]}
    lucky = SCORES | {(arm("adalora", 2), 16): RungScore(0.56, 0.691)}
    assert set(methods_at_chance(ARMS, 16, lucky, 0.5)) == {"adalora"}
    learnt = SCORES | {(arm("adalora", 0), 16): RungScore(0.56, 0.680)}
    assert methods_at_chance(ARMS, 16, learnt, 0.5) == {}


def test_if_no_arm_has_left_chance_all_methods_are_at_chance():
    flat = {key: RungScore(0.5, 0.69) for key in SCORES}
    assert set(methods_at_chance(ARMS, 16, flat, 0.5)) == {"full", "adalora"}


def test_without_a_chance_level_no_method_is_at_chance():
    assert methods_at_chance(ARMS, 16, SCORES, None) == {}


def test_the_default_and_the_arm_whose_loss_moved_most_stand_for_a_method():
    own = methods_at_chance(ARMS, 16, SCORES, 0.5)["adalora"]
    assert stand_ins(own, 16, SCORES) == [arm("adalora", 0), arm("adalora", 1)]
    assert stand_ins(own[:1], 16, SCORES) == own[:1]
    scores_only = {key: RungScore(shown.score) for key, shown in SCORES.items()}
    assert stand_ins(own, 16, scores_only) == own[:2]


def test_they_continue_after_the_arms_that_were_ranked():
    entrants = tuple(Entrant(method=method, candidates=5) for method in ("full", "adalora"))
    screen = Stage(name="screen", step=16, arms=ARMS)
    race = Race(entrants=entrants, rungs=(16, 32, 64), stages=(screen,))
    rules = RaceRules(baseline="full", chance=0.5)
    stage = next_stage(race, SCORES, rules, lambda name, step: None)
    assert stage is not None
    adalora = (arm("adalora", 0), arm("adalora", 1))
    assert stage.arms == (arm("full", 0), arm("full", 4), *adalora)
    assert stage.why == "the best third, those still at chance and the baseline"
    cut = next_stage(race, SCORES, rules, lambda name, step: 3)
    assert cut is not None
    assert cut.arms == stage.arms[:3]
