"""Domains, ticks and point sizes of a scatter plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST, LARGEST = 45.0, 420.0  # areas of points, in square pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point of a scatter plot."""

    name: str
    """The method's name."""

    x: float
    """Position on the x axis, in its units."""

    y: float
    """Position on the y axis, in its units."""

    colour: str
    """The colour of point and bar."""

    low: float | None = None
    """Lower bound of y; None draws no bar."""

    high: float | None = None
    """Upper bound of y."""

    size: float | None = None
    """The value that the point's size shows.

    None draws the smallest point, hollow unless `Axes.size_title` is None too.
    """

    facts: tuple[tuple[str, str], ...] = ()
    """Titles and texts of the tooltip."""

    shape: str = "circle"
    """The shape of the point, as Vega names it."""

    note: str = ""
    """Text after the name; it is never shortened, unlike the name."""

    opacity: float = 0.85
    """Opacity of point and bar."""

    named: bool = True
    """Whether the name is written next to the point and not only in the tooltip."""

    hollow: bool = False
    """Whether the point is drawn without a fill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """The axes of a scatter plot."""

    x_title: str
    """Title of the x axis."""

    y_title: str
    """Title of the y axis."""

    width: int
    """Width of the plot, in pixels."""

    height: int
    """Height of the plot, in pixels."""

    log_x: bool = False
    """Whether the x axis is logarithmic."""

    zero_x: bool = False
    """Whether the x axis starts at zero."""

    size_title: str | None = None
    """Title of the legend of sizes; None draws no legend."""

    size_exponent: float = 1.0
    """Exponent from values to point sizes; below 1 it separates small values better."""

    x_format: str | None = None
    """Vega's format of the ticks of x, if the default does not fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """A line through points."""

    corners: Sequence[tuple[float, float]]
    """The points from left to right, in units of the axes."""

    colour: str
    """The colour of the line."""

    dash: Sequence[int] = (1, 0)
    """The dash pattern, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The mapping from units of the axes to pixels."""

    axes: Axes
    """The axes."""

    x: tuple[float, float]
    """Domain of the x axis, which the chart uses too."""

    y: tuple[float, float]
    """Domain of the y axis, which the chart uses too."""

    largest: float
    """The value that the largest point size shows."""

    def across(self, value: float) -> float:
        """Return the distance from the left, in pixels."""
        low, high = self.x
        if self.axes.log_x:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.axes.width * (value - low) / (high - low)

    def down(self, value: float) -> float:
        """Return the distance from the top, in pixels."""
        low, high = self.y
        return self.axes.height * (1 - (value - low) / (high - low))

    def value_at(self, across: float, down: float) -> tuple[float, float]:
        """Return the position in units of the axes, given one in pixels."""
        (low, high), (bottom, top) = self.x, self.y
        share = across / self.axes.width
        x = low * (high / low) ** share if self.axes.log_x else low + (high - low) * share
        return x, top - (top - bottom) * down / self.axes.height

    def radius(self, size: float | None) -> float:
        """Return the radius of a point, in pixels."""
        share = 0.0 if size is None else float((size / self.largest) ** self.axes.size_exponent)
        return math.sqrt((SMALLEST + (LARGEST - SMALLEST) * share) / math.pi)


def sizes_to_explain(largest: float, exponent: float) -> list[float]:
    """Choose round sizes for the legend."""
    power = math.floor(math.log10(largest))
    if exponent < 1:
        return [float(f"1e{power - more}") for more in (3, 2, 1, 0)]
    unit = 10.0**power
    step = next(s * unit for s in (5, 2, 1, 0.5, 0.2) if largest >= 2 * s * unit)
    return [round(step * count, 12) for count in range(1, int(largest / step) + 1)]


def x_domain(values: Sequence[float], axes: Axes) -> tuple[float, float]:
    """Return bounds of x with a margin around the points."""
    low, high = min(values), max(values)
    if axes.log_x:
        room = max(1.35, (high / low) ** 0.09)
        return low / room, high * room
    room = 0.09 * (high - low) or 0.5 * abs(high) or 1.0
    return (0.0 if axes.zero_x else low - room), high + room


def y_domain(points: Sequence[Point], line: tuple[float, str] | None) -> tuple[float, float]:
    """Return bounds of y that include all points and, unless they are too wide, the intervals."""
    means = [point.y for point in points] + ([line[0]] if line else [])
    low, high = min(means), max(means)
    # With two seeds an interval can be as wide as the scale; the points must stay distinguishable.
    room = max(high - low, 4.0)
    bottom = max(min([low, *(p.low for p in points if p.low is not None)]), low - room)
    top = min(max([high, *(p.high for p in points if p.high is not None)]), high + room)
    margin = 0.1 * (top - bottom) or 1.0
    return bottom - margin, top + margin


def log_ticks(low: float, high: float) -> list[float]:
    """Return round ticks between two bounds for a logarithmic axis."""
    decades = math.log10(high / low)
    steps: tuple[int, ...] = (1,) if decades > 2.6 else (1, 3) if decades > 1.4 else (1, 2, 5)
    if decades < 0.7:
        steps = tuple(range(1, 10))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in powers for step in steps]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return ticks if len(ticks) > 1 else [float(f"{v:.2g}") for v in (low * 1.1, high / 1.1)]
