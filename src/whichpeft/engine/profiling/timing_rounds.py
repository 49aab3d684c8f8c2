"""Repeated readings of a time, on inputs that stand for all, until they say no more."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from whichpeft.records import Measurement
from whichpeft.tasks import Array

FEWEST = 3  # inputs that are read however long it takes


class Readings:
    """Readings by input, each of one or several times in seconds; the first of them counts.

    An input's time is the median of its readings, so that more rounds take out what the machine adds
    and leave what inputs differ in.
    """

    def __init__(self) -> None:
        self._by_input: dict[int, list[tuple[float, ...]]] = {}

    def add(self, place: int, seconds: tuple[float, ...]) -> None:
        self._by_input.setdefault(place, []).append(seconds)

    @property
    def inputs(self) -> list[int]:
        """Which inputs were read, in that order."""
        return list(self._by_input)

    @property
    def count(self) -> int:
        """How many readings there are in all."""
        return sum(map(len, self._by_input.values()))

    @property
    def rounds(self) -> int:
        """How often every input was read."""
        return min(map(len, self._by_input.values()), default=0)

    def times(self, part: int = 0, *, rounds: int | None = None) -> Array:
        """Return one time an input in seconds, from its first `rounds` readings or from all."""
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

    The median over the inputs is stable when a round moves it by no more than the share `stable`, and
    there were `rounds` of them. When the seconds are used up, a reading under way is ended and the round
    is not; the first round goes on until `FEWEST` inputs have been read. inputs: arrays of indices in
    an order whose beginning stands for the whole. read: returns seconds, the first of which counts.
    agreed: turns this process's elapsed seconds into those that a group of them goes by.
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
    """Return the median of several values with their quartiles; seconds become milliseconds."""
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
    """Return a number that a profile found."""
    return Measurement(name=name, value=float(value), unit=unit, phase="profile", source=source)
