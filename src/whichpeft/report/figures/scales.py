"""Where the points of a scatter fall: extents, ticks and sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST, LARGEST = 45.0, 420.0  # areas of points, in square pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point: its place in units of the axes, its name and what its size stands for.

    low, high: bounds of y; size: None draws a hollow point
    of the least size (or a full one where `Axes.size_title` is None); facts: shown when pointed at.
    note: follows the name, which may be cut; opacity: of point and bar. named: the name is written
    beside the point, and not only shown when pointed at. hollow: drawn without filling.
    """

    name: str
    x: float
    y: float
    colour: str
    low: float | None = None
    high: float | None = None
    size: float | None = None
    facts: tuple[tuple[str, str], ...] = ()
    shape: str = "circle"
    note: str = ""
    opacity: float = 0.85
    named: bool = True
    hollow: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """Titles, extents in pixels, and whether x is logarithmic.

    size_title heads the legend of sizes; size_exponent below 1 sets small sizes further apart.
    x_format: how Vega writes the ticks of x, where numbers alone would not do.
    """

    x_title: str
    y_title: str
    width: int
    height: int
    log_x: bool = False
    zero_x: bool = False
    size_title: str | None = None
    size_exponent: float = 1.0
    x_format: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """Points that straight lines join, from left to right, in units of the axes."""

    corners: Sequence[tuple[float, float]]
    colour: str
    dash: Sequence[int] = (1, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From units of the axes to pixels; the chart is given the same domains."""

    axes: Axes
    x: tuple[float, float]
    y: tuple[float, float]
    largest: float

    def across(self, value: float) -> float:
        low, high = self.x
        if self.axes.log_x:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.axes.width * (value - low) / (high - low)

    def down(self, value: float) -> float:
        low, high = self.y
        return self.axes.height * (1 - (value - low) / (high - low))

    def value_at(self, across: float, down: float) -> tuple[float, float]:
        """Return the units of the axes at a place in pixels."""
        (low, high), (bottom, top) = self.x, self.y
        share = across / self.axes.width
        x = low * (high / low) ** share if self.axes.log_x else low + (high - low) * share
        return x, top - (top - bottom) * down / self.axes.height

    def radius(self, size: float | None) -> float:
        share = 0.0 if size is None else float((size / self.largest) ** self.axes.size_exponent)
        return math.sqrt((SMALLEST + (LARGEST - SMALLEST) * share) / math.pi)


def sizes_to_explain(largest: float, exponent: float) -> list[float]:
    """Choose two to four round sizes for a legend."""
    power = math.floor(math.log10(largest))
    if exponent < 1:
        return [float(f"1e{power - more}") for more in (3, 2, 1, 0)]
    unit = 10.0**power
    step = next(s * unit for s in (5, 2, 1, 0.5, 0.2) if largest >= 2 * s * unit)
    return [round(step * count, 12) for count in range(1, int(largest / step) + 1)]


def x_domain(values: Sequence[float], axes: Axes) -> tuple[float, float]:
    """Return bounds of x with room around the points."""
    low, high = min(values), max(values)
    if axes.log_x:
        room = max(1.35, (high / low) ** 0.09)
        return low / room, high * room
    room = 0.09 * (high - low) or 0.5 * abs(high) or 1.0
    return (0.0 if axes.zero_x else low - room), high + room


def y_domain(points: Sequence[Point], line: tuple[float, str] | None) -> tuple[float, float]:
    """Return bounds of y that hold every point and, where they are not too wide, the intervals."""
    means = [point.y for point in points] + ([line[0]] if line else [])
    low, high = min(means), max(means)
    # Two seeds can give an interval as wide as the scale; the points must stay apart then.
    room = max(high - low, 4.0)
    bottom = max(min([low, *(p.low for p in points if p.low is not None)]), low - room)
    top = min(max([high, *(p.high for p in points if p.high is not None)]), high + room)
    margin = 0.1 * (top - bottom) or 1.0
    return bottom - margin, top + margin


def log_ticks(low: float, high: float) -> list[float]:
    """Return round places between two bounds for the ticks of a logarithmic axis."""
    decades = math.log10(high / low)
    steps: tuple[int, ...] = (1,) if decades > 2.6 else (1, 3) if decades > 1.4 else (1, 2, 5)
    if decades < 0.7:
        steps = tuple(range(1, 10))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in powers for step in steps]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return ticks if len(ticks) > 1 else [float(f"{v:.2g}") for v in (low * 1.1, high / 1.1)]
