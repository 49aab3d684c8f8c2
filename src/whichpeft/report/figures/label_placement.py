"""Placement of names next to points so that they do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from whichpeft.metrics.metric import Floats

CHAR = 6.0  # width of a character of a name in pixels, rounded up
LINE = 13.0  # height of a line
_WIDEST = 7.0  # width of a character in the fonts of any browser
_GAP = 3.0
_COVERING, _OUTSIDE = 4.0, 12.0  # costs per square pixel; one position further costs 1
_AMBIGUOUS = 40.0  # cost of a name that is nearer to another point than to its own

Align = Literal["left", "center", "right"]


class Box(NamedTuple):
    """A rectangle in pixels, y growing downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area shared with another box, in square pixels."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0

    def outside(self, frame: Box) -> float:
        """Return the area outside a frame, in square pixels."""
        area = (self.right - self.left) * (self.bottom - self.top)
        return area - self.overlap(frame)


class Spot(NamedTuple):
    """A point to name: its position and radius in pixels, and its name."""

    x: float
    y: float
    radius: float
    name: str


class Placed(NamedTuple):
    """The position of a name relative to its point."""

    dx: float
    """Horizontal offset of the name's anchor, in pixels."""

    dy: float
    """Vertical offset of the name's anchor, in pixels."""

    align: Align
    """Alignment of the name at its anchor."""

    far: bool = False
    """Whether the name is so far away that a line has to lead to it."""


def place(spots: Sequence[Spot], frame: Box, taken: Sequence[Box] = ()) -> list[Placed]:
    """Choose a position for each name near its point, away from points, names and `taken`.

    The choice is greedy and starts with the most crowded points; then each name may move once more,
    away from those that were placed after it. If no position is free, the least covered one is used.
    """
    busy = np.array(
        [*(Box(s.x - s.radius, s.y - s.radius, s.x + s.radius, s.y + s.radius) for s in spots), *taken]
    ).reshape(-1, 4)
    order = sorted(range(len(spots)), key=lambda i: -_crowd(spots[i], spots))
    choices = [_candidates(spot) for spot in spots]
    # Where each name would be, and what it costs there without the other names.
    boxes = [np.array([_box(spot, at) for at in own]) for spot, own in zip(spots, choices, strict=True)]
    alone = [
        _cost(own, busy, frame) + _AMBIGUOUS * _nearer_to_others(own, i, spots)
        for i, own in enumerate(boxes)
    ]
    best: dict[int, int] = {}
    for i in [*order, *order]:
        others = [boxes[j][found] for j, found in best.items() if j != i and spots[j].name]
        covered = _overlaps(boxes[i], np.array(others).reshape(-1, 4)).sum(axis=1)
        best[i] = int(np.argmin(alone[i] + _COVERING * covered))
    return [choices[i][best[i]] for i in range(len(spots))]


def _cost(boxes: Floats, busy: Floats, frame: Box) -> Floats:
    """Return the cost of each position of a name: far from its point, on other marks, outside."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    outside = areas - _overlaps(boxes, np.array([frame]))[:, 0]
    covered = _overlaps(boxes, busy).sum(axis=1)
    cost: Floats = np.arange(len(boxes)) + _COVERING * covered + _OUTSIDE * outside
    return cost


def _nearer_to_others(boxes: Floats, own: int, spots: Sequence[Spot]) -> Floats:
    """Return 1 for each position that is nearer to another point than to its own, else 0."""
    x, y = (np.array([spot[i] for spot in spots]) for i in (0, 1))
    across = np.maximum(np.maximum(boxes[:, :1] - x, x - boxes[:, 2:3]), 0)
    down = np.maximum(np.maximum(boxes[:, 1:2] - y, y - boxes[:, 3:]), 0)
    distances = np.hypot(across, down)
    nearest: Floats = (distances.min(axis=1) < distances[:, own] - 0.5).astype(float)
    return nearest


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the area that each box shares with each other box, shape (boxes, others)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Floats = np.clip(high - low, 0, None).prod(axis=2)
    return shared


def shortened(name: str, room: float) -> str:
    """Shorten a name to a width in pixels, but not below eight characters.

    The middle is removed, because related methods differ in how their names end.
    """
    limit = max(8, int(room / CHAR))
    if len(name) <= limit:
        return name
    end = 2 * (limit - 1) // 5
    return f"{name[: limit - 1 - end]}…{name[len(name) - end :]}"


def distinct(names: Sequence[str]) -> list[str]:
    """Number equal names, so that an axis keeps one line for each."""
    found: list[str] = []
    for name in names:
        count, own = 2, name
        while own in found:
            own, count = f"{name} ({count})", count + 1
        found.append(own)
    return found


def spread(heights: Sequence[float], low: float, high: float) -> list[float]:
    """Move names in one column apart so that they do not overlap, each as little as possible.

    If they do not all fit, they are spaced evenly over the column.

    Parameters
    ----------
    heights
        The preferred position of each name, in pixels.
    low, high
        The middle of the first and of the last line of the column, in pixels.
    """
    if len(heights) < 2:
        return [min(max(height, low), high) for height in heights]
    step = min(LINE, (high - low) / (len(heights) - 1))
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    # Measured from their own lines, names must not pass each other: groups hold those that would touch.
    groups: list[list[float]] = []
    for place, i in enumerate(order):
        groups.append([heights[i] - place * step])
        while len(groups) > 1 and _mean(groups[-2]) >= _mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    ends = low, high - (len(heights) - 1) * step
    found = [min(max(_mean(group), ends[0]), ends[1]) for group in groups for _ in group]
    placed = dict(zip(order, found, strict=True))
    return [placed[i] + order.index(i) * step for i in range(len(heights))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _candidates(spot: Spot) -> list[Placed]:
    """List positions from best to worst: above, below, at the side, then farther away."""
    found: list[Placed] = []
    for more in (0.0, 6.0, 13.0, 22.0, 33.0, 46.0, 62.0):
        side = spot.radius + _GAP + more
        above = spot.radius + _GAP + LINE / 2 + more
        slant = 0.72 * spot.radius + _GAP + more
        ring: list[tuple[float, float, Align]] = [
            (0, -above, "center"),
            (0, above, "center"),
            (side, 0, "left"),
            (-side, 0, "right"),
            (slant, -slant - LINE / 4, "left"),
            (slant, slant + LINE / 4, "left"),
            (-slant, -slant - LINE / 4, "right"),
            (-slant, slant + LINE / 4, "right"),
        ]
        if more:
            ring += [
                (across * side, down * (side / 2 + LINE / 4), "left" if across > 0 else "right")
                for across in (1, -1)
                for down in (-1, 1)
            ]
        found += [Placed(dx, dy, align, far=more > 6) for dx, dy, align in ring]
    return found


def _box(spot: Spot, at: Placed) -> Box:
    width = _WIDEST * len(spot.name)
    left = spot.x + at.dx - {"left": 0.0, "center": width / 2, "right": width}[at.align]
    middle = spot.y + at.dy
    return Box(left, middle - LINE / 2, left + width, middle + LINE / 2)


def _crowd(spot: Spot, spots: Sequence[Spot]) -> float:
    return sum(1 / (30 + abs(spot.x - other.x) + abs(spot.y - other.y)) for other in spots)
