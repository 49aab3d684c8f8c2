"""The figures over several tasks: scores by task, and average ranks with critical differences."""

from __future__ import annotations

from whichpeft.analysis import AcrossTasks
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.heatmap import heat_figure
from whichpeft.report.figures.label_placement import CHAR, distinct, shortened
from whichpeft.report.figures.style import colours
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    concat,
    fixed,
    linear,
    mark,
    names_axis,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.across_tasks import heading, order_words
from whichpeft.report.text import plain

_STEP = 24  # pixels from one method to the next
_BAR = 9  # pixels from one group's bar to the next


def across_figures(across: AcrossTasks, size: Size) -> dict[str, Figure]:
    """Return the figures of one backbone's tasks by file name."""
    return {"scores": heat_figure(across, size), "ranks": ranks_figure(across, size)}


def ranks_figure(across: AcrossTasks, size: Size) -> Figure:
    """Draw a critical-difference diagram: average ranks, and bars joining methods that do not differ.

    Each method has its own line, the best first, so that any number of names fits. Small points are
    the ranks on single tasks.
    """
    groups = [] if across.order is None else list(across.order.groups)
    room = 90 if size.stacked else 170
    named = distinct([shortened(plain(method), room) for method in across.methods])
    names = {
        method: f"{name} {across.average_ranks[method]:.2f}"
        for method, name in zip(across.methods, named, strict=True)
    }
    label = round(CHAR * max(map(len, names.values()))) + 8
    width = size.whole_width - label - (12 + _BAR * len(groups) if groups else 0)
    height = _STEP * len(names)
    spec = _ranks(across, names, width, height, label)
    if groups:
        spec = concat([spec, _bars(across, groups, height)], stacked=False, spacing=8)
    ruler = " Bar at the top: the critical difference." if across.order else ""
    words = order_words(across)
    bars = " Bars at the right join methods that do not differ significantly." if groups else ""
    return make_figure(
        spec,
        title="Average ranks over all tasks",
        about=heading(across),
        caption="1 is the best. Large points: the average rank, written next to the name. Small points: "
        f"the rank on each task.{ruler}{bars} {words[0].upper()}{words[1:]}.",
        rows=[
            {"method": plain(method), "task": plain(task), "rank": rank,
             "average_rank": across.average_ranks[method]}
            for method in across.methods
            for task, rank in zip(across.tasks, across.ranks[method], strict=True)
        ],
    )  # fmt: skip


def _ranks(across: AcrossTasks, names: dict[str, str], width: int, height: int, label: int) -> Spec:
    count = len(names)
    colour = colours(across.methods)
    every = max(1, -(-count // max(2, width // 26)))
    x = number(
        "rank",
        title="rank",
        scale=linear(0.7, count + 0.3),
        axis={"values": list(range(1, count + 1, every)), "format": "d", "orient": "bottom"},
    )
    y = word("label", sort=list(names.values()), axis=names_axis(label, labelFontSize=11))
    averages = [
        {"method": plain(method), "label": text, "rank": across.average_ranks[method],
         "colour": colour[method]}
        for method, text in names.items()
    ]  # fmt: skip
    single = [
        {"method": plain(method), "label": text, "rank": rank, "task": plain(task),
         "colour": colour[method]}
        for method, text in names.items()
        for task, rank in zip(across.tasks, across.ranks[method], strict=True)
    ]  # fmt: skip
    shared = {"x": x, "y": y, "color": as_is("colour")}
    layers = [
        mark("point", shared | {"tooltip": tooltip({"task": "task", "rank": "rank"})}, values=single,
             filled=True, size=26, opacity=0.4),
        mark("point", shared | {"tooltip": tooltip({"label": "average rank"})}, values=averages,
             filled=True, size=110, opacity=1),
    ]  # fmt: skip
    if across.order is not None:
        layers += _ruler(across.order.critical_difference, x)
    return chart(layers, width=width, height=height)


def _ruler(difference: float, x: Spec) -> list[Spec]:
    """Draw the critical difference to scale above the ranks, starting at rank 1."""
    whole = [{"rank": 1, "end": 1 + difference, "text": f"critical difference {difference:.2f}"}]
    ends: list[FigureRow] = [{"rank": 1}, {"rank": 1 + difference}]
    return [
        mark("rule", {"x": x, "x2": {"field": "end"}, "y": fixed(-12)}, values=whole, strokeWidth=2),
        mark("rule", {"x": x, "y": fixed(-16), "y2": fixed(-8)}, values=ends, strokeWidth=2),
        mark("text", {"x": x, "y": fixed(-12), "text": word("text")}, values=whole, align="left",
             baseline="bottom", dy=-6),
    ]  # fmt: skip


def _bars(across: AcrossTasks, groups: list[tuple[str, ...]], height: int) -> Spec:
    """Draw one bar per group of methods that do not differ, next to their lines."""
    place = {method: i for i, method in enumerate(across.methods)}
    values = [
        {
            "x": i,
            "top": _STEP * (place[group[0]] + 0.5) - 6,
            "bottom": _STEP * (place[group[-1]] + 0.5) + 6,
            "text": ", ".join(map(plain, group)),
        }
        for i, group in enumerate(groups)
    ]
    bar = mark(
        "rule",
        {
            "x": number("x", axis=None, scale=linear(-0.5, len(groups) - 0.5)),
            "y": number("top", axis=None, scale=linear(height, 0)),
            "y2": {"field": "bottom"},
            "tooltip": tooltip({"text": "do not differ"}),
        },
        values=values,
        strokeWidth=4,
        strokeCap="round",
    )
    return {**bar, "width": _BAR * len(groups), "height": height}
