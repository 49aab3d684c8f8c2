"""Domains, ticks and points of a scatter plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

AREA = 95.0  # of a point, in square pixels
RADIUS = math.sqrt(AREA / math.pi)
_OUTLYING = 3.0  # an outlier is longer than this many times the longest of the others
_BEYOND = 1.25  # length of an axis that ends before an outlier, in lengths of the longest of the others


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

    method: str = ""
    """The method that it shows, if that is not its name; the page highlights it with the others."""

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


def cut_at(lengths: Sequence[float]) -> float | None:
    """Return the length at which an axis ends so that outliers do not set it; None without outliers.

    At most a quarter of the lengths are outliers, each at least three times as long as the longest of
    the others.
    """
    ordered = sorted(lengths, reverse=True)
    for count in range(1, len(ordered) // 4 + 1):
        if ordered[count - 1] > _OUTLYING * ordered[count] > 0:
            return _BEYOND * ordered[count]
    return None
