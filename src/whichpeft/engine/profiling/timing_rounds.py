"""Repeated timings of inputs that represent all, until further ones add nothing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from whichpeft.records import Measurement
from whichpeft.tasks import Array

FEWEST = 3  # inputs that are read, however long they take


class Readings:
    """Readings by input. Each reading consists of one or more times in seconds; the first counts.

    The time of an input is the median of its readings, so more rounds remove noise of the machine and
    leave the differences between inputs.
    """

    def __init__(self) -> None:
        self._by_input: dict[int, list[tuple[float, ...]]] = {}

    def add(self, place: int, seconds: tuple[float, ...]) -> None:
        self._by_input.setdefault(place, []).append(seconds)

    @property
    def inputs(self) -> list[int]:
        """The inputs that were read, in that order."""
        return list(self._by_input)

    @property
    def count(self) -> int:
        """The number of readings of all inputs."""
        return sum(map(len, self._by_input.values()))

    @property
    def rounds(self) -> int:
        """The number of times that every input was read."""
        return min(map(len, self._by_input.values()), default=0)

    def times(self, part: int = 0, *, rounds: int | None = None) -> Array:
        """Return one time per input in seconds, from its first `rounds` readings or from all."""
        found = [
            np.median([reading[part] for reading in readings[:rounds]])
            for readings in self._by_input.values()
        ]
        return np.array(found)


def read_in_rounds(
    inputs: Sequence[Array],
    read: Callable[[Array], tuple[float, ...]],
    *,
    seconds: float,
    rounds: int,
    stable: float,
    agreed: Callable[[float], float] = float,
) -> Readings:
    """Read every input, round after round, until the median is stable or the seconds are used up.

    The median over the inputs is stable after at least `rounds` rounds, once a round moves it by no more
    than the share `stable`. When the seconds are used up, the current reading is finished but the round
    is not; only the first round continues until `FEWEST` inputs have been read.

    Parameters
    ----------
    inputs
        Arrays of indices, in an order whose beginning represents the whole.
    read
        Returns times in seconds, the first of which counts.
    agreed
        Turns the elapsed seconds of this process into those that its whole group uses.
    """
    readings, began, before = Readings(), time.perf_counter(), 0.0
    for turn in itertools.count(1):
        for place, indices in enumerate(inputs):
            used_up = agreed(time.perf_counter() - began) > seconds
            if used_up and (turn > 1 or len(readings.inputs) >= FEWEST):
                return readings
            readings.add(place, read(indices))
        now = float(np.median(readings.times()))
        if turn >= rounds and abs(now - before) <= stable * now:
            break
        before = now
    return readings


def quartiles(
    name: str, values: Array, unit: str = "ms", *, scale: float = 1000.0, source: str = "profile"
) -> Measurement:
    """Return the median of some values with their quartiles, by default in milliseconds."""
    low, middle, high = np.percentile(values * scale, [25, 50, 75])
    return Measurement(
        name=name,
        value=float(middle),
        unit=unit,
        phase="profile",
        source=source,
        low=float(low),
        high=float(high),
    )


def fact(name: str, value: float, unit: str, source: str = "profile") -> Measurement:
    """Return a number that a profile has measured."""
    return Measurement(name=name, value=float(value), unit=unit, phase="profile", source=source)
