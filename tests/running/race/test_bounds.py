"""What a race can pay for after some of its stages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from whichpeft.analysis.race.rung_scores import RungScore
from whichpeft.records import Arm, Entrant, Race, Stage
from whichpeft.running.race.bounds import ExamplesBound, TimeBound, Unbounded, share
from whichpeft.running.race.clock import Clock

ARMS = tuple(Arm(method=name) for name in ("full", "lora", "ia3", "head"))
RACE = Race(
    entrants=tuple(Entrant(method=arm.method, candidates=1) for arm in ARMS),
    rungs=(16, 32, 64),
    stages=(Stage(name="screen", step=16, arms=ARMS),),
)


def shown(step: int, seconds: float, arms: tuple[Arm, ...] = ARMS) -> dict[tuple[Arm, int], RungScore]:
    return {(arm, step): RungScore(0.5, examples=256, seconds=seconds) for arm in arms}


def test_shares_grow_from_stage_to_stage() -> None:
    screens = [share(RACE, "screen", step) for step in RACE.rungs]
    later = [share(RACE, name, 64) for name in ("audit", "widen", "finals")]
    assert sorted({*screens, *later}) == screens + later
    assert later[-1] == 1
    assert later[-2] <= 0.6  # the finals' reserve


def test_examples_pay_for_a_fixed_number_of_arms() -> None:
    bound = ExamplesBound(limit=20_000, in_step=16.0)
    afford = bound.afford(RACE, shown(16, 1.0), first_look=3)
    used = 4 * 256
    assert afford("screen", 32) == int((0.50 * 20_000 - used) // (16 * 16))
    assert afford("audit", 64) == int((0.59 * 20_000 - used) // (48 * 16))
    assert afford("finals", 64) == int((20_000 - used) // (3 * 64 * 16))
    look = Stage(name="finals", step=64, arms=ARMS[:2], seeds=(0, 1, 2))
    enough = used + 2 * 3 * 64 * 16
    assert ExamplesBound(limit=enough, in_step=16.0).pays_for(RACE, shown(16, 1.0), look)
    assert not ExamplesBound(limit=enough - 1, in_step=16.0).pays_for(RACE, shown(16, 1.0), look)
    assert ExamplesBound(limit=100, in_step=16.0).afford(RACE, shown(16, 1.0), 3)("finals", 64) == 0


def test_seconds_pay_for_what_arms_have_shown_to_take(tmp_path: Path) -> None:
    now = time.monotonic()
    clock = Clock(tmp_path, within=1000.0, began=now)
    bound = TimeBound(clock, now, places=2, tested=2.0)
    # Each rung takes 3 seconds, and each step a tenth of a second.
    scores = shown(16, 4.6) | shown(32, 4.6, ARMS[:2]) | shown(64, 6.2, ARMS[:1])
    afford = bound.afford(RACE, scores, first_look=3)
    assert bound.afford(RACE, {}, first_look=3)("screen", 16) is None
    left = 0.59 * 992.0
    assert afford("audit", 64) == pytest.approx(left / ((3 + 4.8) / 2), abs=1.5)
    each = 1.2 * 3 * (3 + 6.4 + 2 * 2.0) / 2 + 4.0
    assert afford("finals", 64) == pytest.approx(992.0 / each, abs=1.5)
    cut = bound.cut_at(RACE)
    assert cut is not None
    assert cut - now == pytest.approx(0.4 * 992.0, abs=0.5)


def test_no_bound_pays_for_everything() -> None:
    assert Unbounded().afford(RACE, {}, 3)("finals", 64) is None
    assert Unbounded().cut_at(RACE) is None


def test_the_clock_counts_over_runs(tmp_path: Path) -> None:
    first = Clock(tmp_path, within=100.0, began=time.monotonic() - 30.0)
    assert first.spent == pytest.approx(30.0, abs=0.5)
    first.tick()
    again = Clock(tmp_path, within=100.0, began=time.monotonic())
    assert again.spent == pytest.approx(30.0, abs=0.5)
    assert again.left == pytest.approx(70.0 - 8.0, abs=0.5)
    (tmp_path / "clock.json").write_text("{")
    assert Clock(tmp_path, within=None, began=time.monotonic()).spent < 1.0
