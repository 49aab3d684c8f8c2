"""Efficiency in three panels: parameters, score and time."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import named_columns
from whichpeft.report.figures.label_placement import CHAR, distinct
from whichpeft.report.figures.style import colours
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    concat,
    linear,
    mark,
    names_axis,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about
from whichpeft.report.text import plain, tuned_note

_STEP = 21  # pixels from one bar to the next
_LOWEST = -15.0  # bars below it are cut, because a method may train many times what others train


def efficiency(comparison: Comparison, size: Size) -> Figure:
    """Draw parameter efficiency, normalised score and time efficiency side by side, in per cent."""
    rows = comparison.answers
    names = distinct([plain(result.method) for result in rows])
    colour = colours([result.method for result in rows])
    table: list[FigureRow] = [
        named_columns(result)
        | {
            "parameter_efficiency_percent": _rest(result.percent_of_full),
            "normalised_score_percent": _hundredfold(result.normalised_score),
            "time_efficiency_percent": _hundredfold(result.time_efficiency),
        }
        for result in rows
    ]
    title = "Efficiency in three views"
    if not any(value is not None for line in table for value in list(line.values())[2:]):
        why = "no method has a score, a size or a training time"
        return empty_figure(why, size, title=title, about=about(comparison))
    label = min(150, round(CHAR * max(map(len, names), default=1)) + 8)
    room = size.whole_width - label
    keys = [key for key in list(table[0])[2:] if any(line[key] is not None for line in table)]
    width = room - 12 if size.stacked else (room - (len(keys) - 1) * 22) // len(keys)
    panels = []
    cut = False
    for i, key in enumerate(keys):
        values = [
            {
                "name": name,
                "method": plain(result.method),
                "value": drawn[key],
                "text": "not measured" if drawn[key] is None else f"{drawn[key]:.1f}",
                "end": max(drawn[key] or 0, _LOWEST),
                # A number stands at the right of its bar, also if the bar is below zero.
                "right": max(drawn[key] or 0, 0),
                "beyond": (drawn[key] or 0) < _LOWEST,
                "colour": colour[result.method],
            }
            for name, result, drawn in zip(names, rows, table, strict=True)
        ]
        cut = cut or any(value["beyond"] for value in values)
        what = key.removesuffix("_percent").replace("_", " ") + ", %"
        panels.append(
            _bars(what, values, names, width=width, label=label if size.stacked or i == 0 else None)
        )
    spec = concat(panels, stacked=size.stacked, spacing=26 if size.stacked else 22)
    return make_figure(
        spec,
        title=title,
        about=about(comparison),
        caption="Higher is better. Parameter efficiency: 100 - trainable share of full fine-tuning. "
        "Normalised score: score / the best method's. Time efficiency: 1 - train time / the slowest "
        "method's."
        f"{' Arrow: the bar is longer than the axis.' if cut else ''}{tuned_note(comparison)}",
        rows=table,
        aside="More figures: efficiency",
    )


def _bars(
    title: str, values: Sequence[FigureRow], names: Sequence[str], *, width: int, label: int | None
) -> Spec:
    low = min([0.0, *(value["end"] for value in values)])
    low = 1.6 * low if any(value["beyond"] for value in values) else low
    y = word("name", sort=list(names), axis=names_axis(label))
    # Room beyond 100 for the number at the end of the longest bar.
    ends = linear(low, 100 + 46 * 100 / width)
    x = number("end", title=title, scale=ends, axis={"values": [0, 25, 50, 75, 100]})
    shown = tooltip({"method": "method", "text": title})
    return chart(
        [
            mark("bar", {"x": x, "y": y, "color": as_is("colour"), "tooltip": shown},
                 height={"band": 0.72}),
            mark("point", {"x": x, "y": y, "color": as_is("colour")}, only="datum.beyond",
                 shape="triangle-left", filled=True, size=130, opacity=1, xOffset=-4),
            mark("text", {"x": x | {"field": "right"}, "y": y, "text": word("text")}, align="left",
                 baseline="middle", dx=4),
        ],
        values=values,
        width=width,
        height={"step": _STEP},
    )  # fmt: skip


def _rest(percent: float | None) -> float | None:
    return None if percent is None else 100 - percent


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share
