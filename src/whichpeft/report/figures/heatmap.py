"""The heat map over several tasks: each method's score on each task, coloured by its gap."""

from __future__ import annotations

from whichpeft.analysis import AcrossTasks
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.label_placement import CHAR, distinct, shortened
from whichpeft.report.figures.style import BLUE, GREY, VERMILION
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    amount,
    as_is,
    chart,
    mark,
    names_axis,
    tooltip,
    word,
)
from whichpeft.report.tables.across_tasks import heading
from whichpeft.report.text import plain
from whichpeft.units import points

_STEP = 26  # pixels from one method to the next
_NARROW = 34  # smallest width of a cell that fits a number, in pixels
_FULL = 10.0  # gap in points at which a colour is strongest
_STRONGEST = 0.6  # opacity of that colour, which leaves the number legible on white and on black
_BELOW, _ABOVE = VERMILION, BLUE  # distinguishable with any colour deficiency


def heat_figure(across: AcrossTasks, size: Size) -> Figure:
    """Draw one cell per method and task: the score as a number, the gap as a colour."""
    base = across.baseline if across.baseline in across.scores else None
    cells = _cells(across, base)
    named = base is not None
    against = f"that of {plain(across.baseline)}" if named else "the mean of all methods on that task"
    left = ", ".join(map(plain, across.left_out))
    return make_figure(
        _map(across, cells, size),
        title="Scores by task",
        about=heading(across),
        caption=f"Number: score in points. Colour: score minus {against}, from {_FULL:g} points below "
        f"(orange) to {_FULL:g} points above (blue). Sorted by average rank, the best first."
        f"{f' Left out, because they lack a task: {left}.' if left else ''}",
        rows=[
            {
                "method": cell["method"],
                "task": cell["task"],
                "score_points": cell["score"],
                "gap_points": cell["gap"],
                "gap_to": plain(across.baseline) if named else "mean",
            }
            for cell in cells
        ],
    )


def _cells(across: AcrossTasks, base: str | None) -> list[FigureRow]:
    found = []
    for i, task in enumerate(across.tasks):
        own = [across.scores[method][i] for method in across.methods]
        zero = sum(own) / len(own) if base is None else across.scores[base][i]
        for method, score in zip(across.methods, own, strict=True):
            gap = points(score - zero)
            found.append(
                {
                    "method": plain(method),
                    "task": plain(task),
                    "score": points(score),
                    "gap": gap,
                    "text": f"{points(score):.1f}",
                    "shown": f"{gap:+.1f}",
                    "place": across.methods.index(method),
                    "column": i,
                    "colour": _ABOVE if gap > 0 else _BELOW,
                    "ink": _STRONGEST * min(abs(gap) / _FULL, 1.0),
                }
            )
    return found


def _map(across: AcrossTasks, cells: list[FigureRow], size: Size) -> Spec:
    room = 90 if size.stacked else 170
    names = distinct([shortened(plain(method), room) for method in across.methods])
    label = round(CHAR * max(map(len, names))) + 8
    width = size.whole_width - label
    cell = min(110.0, width / len(across.tasks))
    with_numbers = cell >= _NARROW
    tasks = distinct(
        [shortened(plain(task), max(cell - 4, 60) if with_numbers else 80) for task in across.tasks]
    )
    values = [value | {"name": names[value["place"]], "at": tasks[value["column"]]} for value in cells]
    level = with_numbers and all(CHAR * len(task) <= cell for task in tasks)
    x = word(
        "at",
        sort=tasks,
        axis={"title": None, "ticks": False, "domain": False, "orient": "top",
              "labelAngle": 0 if level else -40, "labelLimit": 100},
    )  # fmt: skip
    y = word("name", sort=names, axis=names_axis(label, labelFontSize=11))
    tips = {"method": "method", "task": "task", "text": "score", "shown": "gap"}
    layers = [
        mark("rect", {"x": x, "y": y, "color": as_is("colour"), "fillOpacity": amount("ink"),
                      "tooltip": tooltip(tips)}, stroke=GREY, strokeWidth=0.5),
    ]  # fmt: skip
    if with_numbers:
        layers.append(mark("text", {"x": x, "y": y, "text": word("text")}, fontSize=11))
    return chart(layers, values=values, width=round(cell * len(tasks)), height=_STEP * len(names))
