"""The scatter that figures share: points with names, intervals and a reference line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from whichpeft.report.labels import CHAR, LINE, Box, Spot, place
from whichpeft.report.scales import (
    LARGEST,
    SMALLEST,
    Axes,
    Point,
    Scale,
    log_ticks,
    sizes_to_explain,
    x_domain,
    y_domain,
)

_LONGEST_NAME = 26


def scatter(
    points: Sequence[Point],
    axes: Axes,
    *,
    line: tuple[float, str] | None = None,
    steps: Sequence[tuple[float, float]] = (),
) -> Any:
    """Return a chart of the points, at least one.

    line: a height and its name, drawn dashed. steps: corners from left to right of a staircase that
    keeps each one's height up to the next, and the last one's up to the edge.
    """
    import altair as alt

    sizes = [point.size for point in points if point.size is not None]
    scale = Scale(
        axes=axes,
        x=x_domain([point.x for point in points], axes),
        y=y_domain(points, line),
        largest=max(sizes, default=0.0) or 1.0,
    )
    spots = [
        Spot(
            scale.across(p.x),
            scale.down(p.y),
            scale.radius(p.size),
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
    x = alt.X(
        "x:Q",
        title=axes.x_title,
        scale=alt.Scale(type="log" if axes.log_x else "linear", domain=scale.x, nice=False),
        axis=_x_axis(scale),
    )
    y = alt.Y(
        "y:Q",
        title=axes.y_title,
        scale=alt.Scale(domain=scale.y, nice=False, zero=False),
        axis=alt.Axis(tickCount=6),
    )
    layers: list[Any] = []
    taken = list(bars)
    if line is not None:
        at_left, above, box = _line_name(line, scale, [*bars, *dots])
        taken += [box, Box(0, scale.down(line[0]) - 1, axes.width, scale.down(line[0]) + 1)]
        layers += _line(line, y, x_end=0 if at_left else axes.width, above=above)
    if steps:
        corners = [*steps, (scale.x[1], steps[-1][1])]
        taken += _stairs(corners, scale)
        stairs = alt.Chart(alt.Data(values=[{"x": across, "y": up} for across, up in corners]))
        layers.append(
            stairs.mark_line(interpolate="step-after", strokeWidth=1.3, strokeDash=[5, 4]).encode(
                x=x, y=y, color=alt.value("#868c96")
            )
        )
    base = alt.Chart(alt.Data(values=_values(points, spots, scale, taken)))
    return alt.layer(*layers, *_marks(base, points, x, y, scale)).properties(
        width=axes.width, height=axes.height
    )


def nothing(message: str, width: int) -> Any:
    """Return a chart that says why there is nothing to draw."""
    import altair as alt

    data = alt.Data(values=[{"text": message}])
    text = alt.Chart(data).mark_text(limit=width).encode(text="text:N")
    return text.properties(width=width, height=60)


def _marks(base: Any, points: Sequence[Point], x: Any, y: Any, scale: Scale) -> list[Any]:
    import altair as alt

    colour = alt.Color("colour:N", scale=None)
    titles = [title for title, _ in points[0].facts]
    shared = {
        "x": x,
        "y": y,
        "color": colour,
        "shape": alt.Shape("shape:N", scale=None),
        "opacity": alt.Opacity("opacity:Q", scale=None),
        "tooltip": [
            alt.Tooltip("name:N"),
            *(alt.Tooltip(f"fact{i}:N", title=title) for i, title in enumerate(titles)),
        ],
    }
    names = base.mark_text(
        baseline="middle",
        align={"expr": "datum.align"},
        dx={"expr": "datum.dx"},
        dy={"expr": "datum.dy"},
    ).encode(x=x, y=y, text="label:N")
    leads = base.transform_filter("datum.far").mark_rule(strokeWidth=0.7)
    layers = [leads.encode(x=x, y=y, x2="lead_x", y2="lead_y")]
    if any(point.low is not None for point in points):
        # Clipped, because an interval over two seeds can be wider than the whole scale.
        layers.append(
            base.transform_filter("datum.low != null")
            .mark_rule(strokeWidth=1.5, clip=True)
            .encode(
                x=x,
                y=alt.Y("low:Q"),
                y2="high:Q",
                color=colour,
                opacity=alt.Opacity("bar_opacity:Q", scale=None),
            )
        )
    if any(point.size is not None for point in points):
        layers.append(
            base.transform_filter("datum.size != null")
            .mark_point(filled=True)
            .encode(**shared, size=_size(scale))
        )
    for hollow in (False, True):
        if any(point.size is None and point.hollow == hollow for point in points):
            filled = scale.axes.size_title is None and not hollow
            layers.append(
                base.transform_filter(f"datum.size == null && datum.hollow == {str(hollow).lower()}")
                .mark_point(filled=filled, size=SMALLEST, strokeWidth=1.8)
                .encode(**shared)
            )
    return [*layers, names]


def _size(scale: Scale) -> Any:
    import altair as alt

    axes, largest = scale.axes, scale.largest
    values = sizes_to_explain(largest, axes.size_exponent)
    return alt.Size(
        "size:Q",
        scale=alt.Scale(
            type="pow",
            exponent=axes.size_exponent,
            domain=[0, largest],
            range=[SMALLEST, LARGEST],
        ),
        legend=alt.Legend(title=axes.size_title, orient="bottom", values=values, format=".2~r")
        if axes.size_title
        else None,
    )


def _values(
    points: Sequence[Point], spots: Sequence[Spot], scale: Scale, taken: Sequence[Box]
) -> list[dict[str, Any]]:
    places = place(spots, Box(0, 0, scale.axes.width, scale.axes.height), taken)
    values = []
    for point, spot, at in zip(points, spots, places, strict=True):
        # A line that leads to a name ends just short of it.
        lead_x, lead_y = scale.value_at(spot.x + 0.85 * at.dx, spot.y + 0.7 * at.dy)
        value = {
            "name": point.name,
            "label": spot.name,
            "x": point.x,
            "y": point.y,
            "low": point.low,
            "high": point.high,
            "size": point.size,
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
    """Return the room that a staircase takes, a thin box for each run and each rise."""
    places = [(scale.across(x), scale.down(y)) for x, y in corners]
    found = []
    for (left, low), (right, high) in itertools.pairwise(places):
        found.append(Box(left, low - 1, right, low + 1))
        found.append(Box(right - 1, min(low, high), right + 1, max(low, high)))
    return found


def _line_name(line: tuple[float, str], scale: Scale, busy: Sequence[Box]) -> tuple[bool, bool, Box]:
    """Choose the end and the side of a line where its name covers least."""
    height, long = scale.down(line[0]), CHAR * len(line[1])
    right = scale.axes.width
    choices = []
    for above in (True, False):
        top = height - LINE - 3 if above else height + 3
        for at_left in (False, True):
            left = 0 if at_left else right - long
            choices.append((at_left, above, Box(left, top, left + long, top + LINE)))
    return min(choices, key=lambda choice: sum(choice[2].overlap(box) for box in busy))


def _line(line: tuple[float, str], y: Any, *, x_end: int, above: bool) -> list[Any]:
    import altair as alt

    base = alt.Chart(alt.Data(values=[{"y": line[0], "text": line[1]}]))
    name = base.mark_text(
        align="right" if x_end else "left",
        baseline="bottom" if above else "top",
        dy=-4 if above else 4,
        dx=0 if x_end else 4,
        fontStyle="italic",
    )
    return [
        base.mark_rule(strokeDash=[5, 4], strokeWidth=1.3).encode(y=y),
        name.encode(x=alt.value(x_end), y=y, text="text:N"),
    ]


def _short(name: str, axes: Axes) -> str:
    limit = min(_LONGEST_NAME, max(8, int(axes.width * 0.42 / CHAR)))
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _x_axis(scale: Scale) -> Any:
    import altair as alt

    if not scale.axes.log_x:
        return alt.Axis(tickCount=max(3, scale.axes.width // 90))
    return alt.Axis(values=log_ticks(*scale.x), format=".2~r", labelOverlap=True)
