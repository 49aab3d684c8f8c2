"""The figure over several backbones: the gap to the baseline against the backbone's size."""

from __future__ import annotations

import math

from whichpeft.analysis.across_backbones import AcrossBackbones
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.figure_data import in_points, interval_columns, named_columns
from whichpeft.report.figures.label_placement import CHAR, LINE, distinct, shortened, spread
from whichpeft.report.figures.line_names import line_names, room_for
from whichpeft.report.figures.scales import Axes, log_ticks, x_domain
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    fixed,
    linear,
    logarithmic,
    mark,
    number,
    tooltip,
    word,
)
from whichpeft.report.text import plain, with_bounds
from whichpeft.units import points

_ABOVE = 18  # pixels above the plot for the backbones' names


def backbone_figures(over: AcrossBackbones, size: Size) -> dict[str, Figure]:
    """Return the figure of one task's backbones by file name."""
    caption = (
        f"Score minus that of {plain(over.baseline)} on the same backbone, paired by seed. Bars: the "
        "intervals that verdicts rest on. Top: the backbones, placed by their number of parameters "
        "without the head."
    )
    if over.left_out:
        caption += f" Left out, because without a gap or a size: {', '.join(map(plain, over.left_out))}."
    figure = make_figure(
        _lines(over, size),
        title=f"Gap to {plain(over.baseline)} by size of the backbone",
        about=f"{plain(over.task)} on {len(over.backbones)} backbones",
        caption=caption,
        rows=_table(over),
    )
    return {"gap-by-backbone": figure}


def _lines(over: AcrossBackbones, size: Size) -> Spec:
    room = size.width * 0.38
    names = dict(
        zip(over.methods, distinct([shortened(plain(m), room) for m in over.methods]), strict=True)
    )
    width = size.width - room_for(list(names.values()))
    gaps = [result for results in over.results.values() for result in results if result is not None]
    means = [points(result.gap_mean or 0.0) for result in gaps]
    low, high = min([0.0, *means]), max([0.0, *means])
    # With two seeds an interval can be wider than all gaps together; the lines must stay apart.
    most = max(0.5 * (high - low), 3.0)
    low = max(
        min([low, *(points(bound) for r in gaps if (bound := r.verdict_gap.low) is not None)]),
        low - most,
    )
    high = min(
        max([high, *(points(bound) for r in gaps if (bound := r.verdict_gap.high) is not None)]),
        high + most,
    )
    margin = 0.05 * (high - low)
    domain = low - margin, high + margin
    counts = [count for _, count in over.backbones]
    axes = Axes(x_title="", y_title="", width=width, height=size.height, log_x=True)
    ends = x_domain([float(count) for count in counts], axes)
    x = number(
        "parameters",
        title="parameters of the backbone",
        scale=logarithmic(*ends),
        axis={"values": log_ticks(*ends), "format": "~s", "labelOverlap": True},
    )
    y = number("gap", title="gap, points", scale=linear(*domain), axis={"tickCount": 6})
    shared = {"x": x, "y": y, "color": as_is("colour")}
    line = mark("line", {**shared, "detail": word("name"), "strokeDash": as_is("dash")}, strokeWidth=2)
    above = _names_above(over, ends, width)
    tips = {"name": "method", "backbone": "backbone", "shown": "gap"}
    return chart(
        [
            mark("rule", {"y": y | {"field": "zero"}}, values=[{"zero": 0}], strokeDash=[5, 4],
                 strokeWidth=1.3),
            mark("rule", {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"},
                          "color": as_is("colour")}, only="datum.low != null", strokeWidth=1.5,
                 opacity=0.5, clip=True),
            line,
            mark("point", {**shared, "shape": as_is("shape"), "tooltip": tooltip(tips)}, filled=True,
                 size=60, opacity=1),
            *line_names(x, y, width, at="at"),
            *(mark("text", {"x": x, "y": fixed(-_ABOVE / 2 - line * LINE), "text": word("backbone")},
                   values=named, fontSize=10, baseline="middle") for line, named in enumerate(above)),
        ],
        values=_values(over, names, domain, size.height), width=width, height=size.height,
    )  # fmt: skip


def _names_above(over: AcrossBackbones, ends: tuple[float, float], width: int) -> list[list[FigureRow]]:
    """Return the backbones' names in rows, from the bottom up, so that none covers another."""
    rows: list[list[FigureRow]] = []
    edges: list[float] = []
    for name, count in over.backbones:  # from small to large
        shown = shortened(plain(name), max(60.0, width / len(over.backbones)))
        centre = width * math.log(count / ends[0]) / math.log(ends[1] / ends[0])
        half = CHAR * len(shown) / 2
        row = next((i for i, edge in enumerate(edges) if edge <= centre - half), len(rows))
        if row == len(rows):
            rows.append([])
            edges.append(0.0)
        rows[row].append({"parameters": count, "backbone": shown})
        edges[row] = centre + half
    return rows


def _values(
    over: AcrossBackbones, names: dict[str, str], domain: tuple[float, float], height: int
) -> list[FigureRow]:
    """Return the points of all lines; the last point of each has its name, at its own height."""
    look = looks(over.methods)
    low, high = domain
    lasts = [
        next(result for result in reversed(results) if result is not None)
        for results in over.results.values()
    ]
    ends = [height * (high - points(result.gap_mean or 0.0)) / (high - low) for result in lasts]
    values: list[FigureRow] = []
    for (method, results), at in zip(
        over.results.items(), spread(ends, LINE / 2, height - LINE / 2), strict=True
    ):
        for (backbone, count), result in zip(over.backbones, results, strict=True):
            if result is not None:
                gap, bottom, top = in_points(result.verdict_gap)
                values.append(
                    {
                        "name": plain(method),
                        "backbone": plain(backbone),
                        "parameters": count,
                        "gap": gap,
                        "low": bottom,
                        "high": top,
                        "shown": with_bounds(result.verdict_gap, sign=True),
                        "colour": look[method].colour,
                        "shape": look[method].shape,
                        "dash": list(look[method].dash),
                    }
                )
        values[-1] |= {"label": names[method], "at": high - (high - low) * at / height}
    return values


def _table(over: AcrossBackbones) -> list[FigureRow]:
    return [
        {"task": plain(over.task), "backbone": plain(backbone), "backbone_parameters": count}
        | named_columns(result)
        | interval_columns("gap", result.verdict_gap)
        for results in over.results.values()
        for (backbone, count), result in zip(over.backbones, results, strict=True)
        if result is not None
    ]
