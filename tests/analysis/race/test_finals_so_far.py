"""Which seeds of the finals count."""

from __future__ import annotations

from whichpeft.analysis.race.finals_so_far import finals_so_far
from whichpeft.records import Arm, Race, Stage

ARMS = (Arm(method="full"), Arm(method="lora", number=2))


def race(*looks: int) -> Race:
    stages = tuple(
        Stage(name="finals", step=64, arms=ARMS, seeds=tuple(range(seeds))) for seeds in looks
    )
    return Race(entrants=(), rungs=(16, 64), looks=(3, 5, 8), stages=stages)


def test_only_complete_looks_count() -> None:
    found = finals_so_far(race(3, 5), {"full": range(5), "lora": range(4)})
    assert found is not None
    assert (found.looks, found.left) == ((3,), (5, 8))
    assert found.seeds == {"full": 3, "lora": 3}


def test_before_the_first_look_is_complete_the_shared_seeds_are_a_best_bet() -> None:
    found = finals_so_far(race(3), {"full": range(3), "lora": [0, 1]})
    assert found is not None
    assert found.looks == ()
    assert found.seeds == {"full": 2, "lora": 2}
    nothing = finals_so_far(race(3), {"full": [1], "lora": [0]})
    assert nothing is not None
    assert nothing.seeds == {"full": 3, "lora": 3}
    assert finals_so_far(race(), {}) is None
    assert finals_so_far(None, {}) is None
