"""The scatter plot that several figures share: named points, intervals and a reference line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from whichpeft.report.figures.label_placement import CHAR, LINE, Box, Spot, place, shortened
from whichpeft.report.figures.scales import (
    AREA,
    RADIUS,
    Axes,
    Point,
    Scale,
    Trail,
    log_ticks,
    x_domain,
    y_domain,
)
from whichpeft.report.figures.style import GREY
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    amount,
    as_is,
    chart,
    fixed,
    linear,
    logarithmic,
    mark,
    number,
    tooltip,
    with_halo,
    word,
)

_LONGEST_NAME = 26


def scatter(
    points: Sequence[Point],
    axes: Axes,
    *,
    line: tuple[float, str] | None = None,
    steps: Sequence[tuple[float, float]] = (),
    trails: Sequence[Trail] = (),
) -> Spec:
    """Return a scatter plot.

    Parameters
    ----------
    points
        The points, at least one.
    axes
        Titles, size and scales.
    line
        A height and its name, drawn as a dashed line.
    steps
        Corners of a staircase from left to right; each keeps its height up to the next one, and the
        last one up to the edge.
    trails
        Lines through points.
    """
    scale = Scale(
        axes=axes,
        x=x_domain([point.x for point in points], axes),
        y=y_domain(points, line),
    )
    spots = [
        Spot(
            scale.across(p.x),
            scale.down(p.y),
            RADIUS,
            _short(p.name, axes) + p.note if p.named else "",
        )
        for p in points
    ]
    bars = [
        Box(spot.x - 1, scale.down(p.high), spot.x + 1, scale.down(p.low))
        for p, spot in zip(points, spots, strict=True)
        if p.low is not None and p.high is not None
    ]
    dots = [Box(s.x - s.radius, s.y - s.radius, s.x + s.radius, s.y + s.radius) for s in spots]
    kind = logarithmic if axes.log_x else linear
    x = number("x", title=axes.x_title, scale=kind(*scale.x), axis=_x_axis(scale))
    y = number("y", title=axes.y_title, scale=linear(*scale.y), axis={"tickCount": 6})
    layers: list[Spec] = []
    taken = list(bars)
    if line is not None:
        at_left, above, box = _line_name(line, scale, [*bars, *dots])
        taken += [box, Box(0, scale.down(line[0]) - 1, axes.width, scale.down(line[0]) + 1)]
        layers += _line(line, y, x_end=0 if at_left else axes.width, above=above)
    if steps:
        corners = [*steps, (scale.x[1], steps[-1][1])]
        taken += _stairs(corners, scale)
        stairs = [{"x": across, "y": up} for across, up in corners]
        layers.append(
            mark("line", {"x": x, "y": y, "color": fixed(GREY)}, values=stairs,
                 interpolate="step-after", strokeWidth=1.3, strokeDash=[5, 4])
        )  # fmt: skip
    for trail in trails:
        taken += _along(trail, scale)
        corners_of = [{"x": across, "y": up} for across, up in trail.corners]
        layers.append(
            mark("line", {"x": x, "y": y, "color": fixed(trail.colour)}, values=corners_of,
                 strokeWidth=1.6, strokeDash=list(trail.dash))
        )  # fmt: skip
    values = _values(points, spots, scale, taken)
    return chart([*layers, *_marks(points, x, y)], values=values, width=axes.width, height=axes.height)


def _marks(points: Sequence[Point], x: Spec, y: Spec) -> list[Spec]:
    titles = [title for title, _ in points[0].facts]
    shared = {
        "x": x,
        "y": y,
        "color": as_is("colour"),
        "shape": as_is("shape"),
        "opacity": amount("opacity"),
        "tooltip": tooltip({"method": "method"} | {f"fact{i}": title for i, title in enumerate(titles)}),
    }
    layers = [
        mark("rule", {"x": x, "y": y, "x2": {"field": "lead_x"}, "y2": {"field": "lead_y"}},
             only="datum.far", strokeWidth=0.7)
    ]  # fmt: skip
    if any(point.low is not None for point in points):
        # Clipped, because an interval over two seeds can be wider than the scale.
        layers.append(
            mark("rule", {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"},
                          "color": as_is("colour"), "opacity": amount("bar_opacity")},
                 only="datum.low != null", strokeWidth=1.5, clip=True)
        )  # fmt: skip
    for hollow in (False, True):
        if any(point.hollow == hollow for point in points):
            layers.append(
                mark("point", shared, only=f"{'' if hollow else '!'}datum.hollow", filled=not hollow,
                     size=AREA, strokeWidth=1.8)
            )  # fmt: skip
    offsets: Spec = {key: {"expr": f"datum.{key}"} for key in ("align", "dx", "dy")}
    names = mark("text", {"x": x, "y": y, "text": word("label")}, baseline="middle", **offsets)
    return [*layers, *with_halo(names)]


def _values(
    points: Sequence[Point], spots: Sequence[Spot], scale: Scale, taken: Sequence[Box]
) -> list[FigureRow]:
    places = place(spots, Box(0, 0, scale.axes.width, scale.axes.height), taken)
    values = []
    for point, spot, at in zip(points, spots, places, strict=True):
        # A line that leads to a name ends just before it.
        lead_x, lead_y = scale.value_at(spot.x + 0.85 * at.dx, spot.y + 0.7 * at.dy)
        value = {
            "name": point.name,
            "method": point.method or point.name,
            "label": spot.name,
            "x": point.x,
            "y": point.y,
            "low": point.low,
            "high": point.high,
            "colour": point.colour,
            "shape": point.shape,
            "opacity": point.opacity,
            "hollow": point.hollow,
            "bar_opacity": 0.75 * point.opacity,
            "dx": round(at.dx, 1),
            "dy": round(at.dy, 1),
            "align": at.align,
            "far": at.far,
            "lead_x": lead_x,
            "lead_y": lead_y,
        }
        values.append(value | {f"fact{i}": text for i, (_, text) in enumerate(point.facts)})
    return values


def _stairs(corners: Sequence[tuple[float, float]], scale: Scale) -> list[Box]:
    """Return the area that a staircase covers, as a thin box per segment."""
    places = [(scale.across(x), scale.down(y)) for x, y in corners]
    found = []
    for (left, low), (right, high) in itertools.pairwise(places):
        found.append(Box(left, low - 1, right, low + 1))
        found.append(Box(right - 1, min(low, high), right + 1, max(low, high)))
    return found


def _line_name(line: tuple[float, str], scale: Scale, busy: Sequence[Box]) -> tuple[bool, bool, Box]:
    """Choose the end and the side of a line at which its name covers the least."""
    height, long = scale.down(line[0]), CHAR * len(line[1])
    right = scale.axes.width
    choices = []
    for above in (True, False):
        top = height - LINE - 3 if above else height + 3
        for at_left in (False, True):
            left = 0 if at_left else right - long
            choices.append((at_left, above, Box(left, top, left + long, top + LINE)))
    return min(choices, key=lambda choice: sum(choice[2].overlap(box) for box in busy))


def _along(trail: Trail, scale: Scale) -> list[Box]:
    """Return the area that lines cover, as small boxes along them."""
    found = []
    places = [(scale.across(x), scale.down(y)) for x, y in trail.corners]
    for (left, start), (right, end) in itertools.pairwise(places):
        count = max(1, round(max(abs(right - left), abs(end - start)) / 6))
        for i in range(count + 1):
            x, y = left + (right - left) * i / count, start + (end - start) * i / count
            found.append(Box(x - 2, y - 2, x + 2, y + 2))
    return found


def _line(line: tuple[float, str], y: Spec, *, x_end: int, above: bool) -> list[Spec]:
    values = [{"y": line[0], "text": line[1]}]
    return [
        mark("rule", {"y": y}, values=values, strokeDash=[5, 4], strokeWidth=1.3),
        mark("text", {"x": fixed(x_end), "y": y, "text": word("text")}, values=values,
             align="right" if x_end else "left", baseline="bottom" if above else "top",
             dy=-4 if above else 4, dx=0 if x_end else 4, fontStyle="italic"),
    ]  # fmt: skip


def _short(name: str, axes: Axes) -> str:
    return shortened(name, min(CHAR * _LONGEST_NAME, axes.width * 0.42))


def _x_axis(scale: Scale) -> Spec:
    axes = scale.axes
    if not axes.log_x:
        return {"tickCount": max(3, axes.width // 90)}
    ticks = log_ticks(*scale.x)
    while len(ticks) > max(2, axes.width // 45):
        ticks = ticks[::2]
    return {"values": ticks, "format": axes.x_format or ".2~r", "labelOverlap": True}
