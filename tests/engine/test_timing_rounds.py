"""When repeated timings stop, and how the time of an input is computed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from whichpeft.engine.batches import spread
from whichpeft.engine.profiling import timing_rounds as module
from whichpeft.engine.profiling.timing_rounds import FEWEST, Readings, quartiles, read_in_rounds

INPUTS = [np.array([i]) for i in range(5)]


class Clock:
    """A clock that only advances with each reading."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def take(clock: Clock, times: list[float], *, seconds: float, rounds: int = 2) -> Readings:
    left = iter(times)

    def read(indices: np.ndarray) -> tuple[float, ...]:
        found = next(left)
        clock.now += found
        return (found, found / 2)

    return read_in_rounds(INPUTS, read, seconds=seconds, rounds=rounds, stable=0.01)


def test_readings_end_when_a_round_no_longer_moves_the_median(clock: Clock) -> None:
    one_round = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert take(clock, one_round * 9, seconds=1e9).rounds == 2
    assert take(clock, one_round * 9, seconds=1e9, rounds=4).rounds == 4
    # The third input's time changes from 3 to 3.5 in the second round, then stays.
    moving = [*one_round, 1, 2, 4, 4, 5, 1, 2, 3.5, 4, 5]
    assert take(clock, [*moving, *one_round], seconds=1e9).rounds == 3


def test_readings_end_when_the_seconds_are_used_up(clock: Clock) -> None:
    drifting = [float(i) for i in range(1, 100)]
    found = take(clock, drifting, seconds=20.0)
    # 1 to 6 add up to 21: the current reading is finished, the round is not.
    assert found.count == 6
    assert found.rounds == 1
    assert take(clock, drifting, seconds=-1.0).count == FEWEST


def test_an_input_counts_once_however_often_it_is_read() -> None:
    found = Readings()
    for place, seconds in ((0, 1.0), (1, 2.0), (0, 9.0), (0, 1.0)):
        found.add(place, (seconds, 10 * seconds))
    assert list(found.times()) == [1.0, 2.0]
    assert list(found.times(1)) == [10.0, 20.0]
    assert list(found.times(rounds=2)) == [5.0, 2.0]
    assert (found.count, found.rounds) == (4, 1)


def test_more_rounds_narrow_the_quartiles() -> None:
    rng = np.random.default_rng(0)
    found = Readings()
    for _, place in itertools.product(range(20), range(8)):
        found.add(place, (0.1 + rng.exponential(0.02),))
    first = quartiles("step_milliseconds", found.times(rounds=1))
    after = quartiles("step_milliseconds", found.times())
    assert first.low is not None
    assert first.high is not None
    assert after.low is not None
    assert after.high is not None
    assert after.low < after.value < after.high
    assert after.high - after.low < (first.high - first.low) / 2


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_chosen_batches_and_their_beginnings_have_the_mean_of_all(count: int) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(2.5, 0.5, 640).round().astype(np.int64) + 2
    batches = [np.arange(i, i + 16) for i in range(0, 640, 16)]

    def mean(of: list[np.ndarray]) -> float:
        return float(np.mean([sizes[batch].max() for batch in of]))

    picked = spread(batches, sizes, count)
    assert len(picked) == count
    assert mean(picked) == pytest.approx(mean(batches), rel=0.05)
    if count == 8:
        assert mean(picked[:4]) == pytest.approx(mean(batches), rel=0.15)
    assert len(spread(batches[:3], sizes, count)) == min(count, 3)
