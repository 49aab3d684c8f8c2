"""The costs of a step: its time by phase, and the peak memory of training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.records import Record
from whichpeft.records.record import finite
from whichpeft.report.figures.cut_bars import HEAD, bar_ends, cut_note
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.figure_data import named_columns
from whichpeft.report.figures.label_placement import CHAR, distinct, shortened
from whichpeft.report.figures.scales import cut_at
from whichpeft.report.figures.style import colours
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    amount,
    as_is,
    chart,
    linear,
    mark,
    names_axis,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about
from whichpeft.report.text import plain, tuned_note
from whichpeft.units import show_bytes, show_milliseconds, size_unit

# The parts of a bar from its start, by measurement, and the opacity of each part.
_TIMES = {
    "forward": "forward_milliseconds",
    "backward": "backward_milliseconds",
    "optimiser": "optimizer_milliseconds",
}
_PEAKS = {"training": "peak_memory_bytes", "evaluation": "evaluation_memory_bytes"}
_INK = (0.38, 0.66, 0.95)
_STEP = 26  # pixels from one method to the next

Profiled = tuple[MethodResult, Record]


def cost_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the figures of a step's time and memory, as far as they were measured."""
    profiled = [
        (result, result.records.cost)
        for result in comparison.answers
        if result.records.cost is not None and result.comparable_costs
    ]
    timed = [
        pair for pair in profiled if all(_value(pair, name) is not None for name in _TIMES.values())
    ]
    held = [pair for pair in profiled if _value(pair, _PEAKS["training"])]
    found = {}
    if timed:
        found["step-time"] = _times(comparison, timed, size)
    if held:
        found["memory"] = _memory(comparison, held, size)
    return found


def _times(comparison: Comparison, timed: Sequence[Profiled], size: Size) -> Figure:
    """Draw the time of an optimiser step as one bar per method, divided into its phases."""
    bars = []
    for pair in timed:
        start = 0.0
        for ink, (part, name) in zip(_INK, _TIMES.items(), strict=True):
            took = _value(pair, name) or 0.0
            bars.append(
                {"place": pair, "part": part, "from": start, "to": start + took, "ink": ink,
                 "shown": show_milliseconds(took), "total": ""}
            )  # fmt: skip
            start += took
        bars[-1]["total"] = show_milliseconds(start)
    return make_figure(
        _bars(comparison, bars, size, title="time of an optimiser step, ms", rows=1),
        title="Time of a step by phase",
        about=about(comparison),
        caption="From faint to strong: forward, backward, optimiser. Medians of each part, from the "
        "profile. Number: their sum."
        f"{cut_note(_ends(bars))}{_left_out(comparison, timed)}{tuned_note(comparison)}",
        rows=_table(timed, _TIMES),
        group="step",
        label="time",
    )


def _memory(comparison: Comparison, held: Sequence[Profiled], size: Size) -> Figure:
    """Draw the peaks of training and evaluation as two bars per method."""
    bars = []
    evaluated = False
    unit, factor = size_unit(max(_value(pair, _PEAKS["training"]) or 0.0 for pair in held))
    for pair in held:
        for lane, (part, name) in enumerate(_PEAKS.items()):
            peak = _value(pair, name)
            if peak is None:
                continue
            evaluated = evaluated or lane == 1
            bars.append(
                {"place": pair, "part": part, "from": 0.0, "to": peak / factor, "lane": lane,
                 "ink": _INK[-1] if lane == 0 else _INK[0], "shown": show_bytes(peak),
                 "total": show_bytes(peak)}
            )  # fmt: skip
    lanes = 2 if evaluated else 1
    below = " Strong: training. Faint: evaluation, without gradients and optimiser." if evaluated else ""
    return make_figure(
        _bars(comparison, bars, size, title=f"peak memory, {unit}", rows=lanes),
        title="Peak memory",
        about=about(comparison),
        caption=f"Peaks on the longest batch, from the profile.{below}"
        f"{cut_note(_ends(bars))}{_left_out(comparison, held)}{tuned_note(comparison)}",
        rows=_table(held, _PEAKS),
        group="step",
        label="memory",
    )


def _bars(
    comparison: Comparison, bars: Sequence[FigureRow], size: Size, *, title: str, rows: int
) -> Spec:
    methods = list(dict.fromkeys(bar["place"][0].method for bar in bars))
    room = 100 if size.stacked else 170
    names = dict(zip(methods, distinct([shortened(plain(m), room) for m in methods]), strict=True))
    colour = colours([result.method for result in comparison.results])
    label = round(CHAR * max(map(len, names.values()))) + 8
    width = size.whole_width - label - 12
    cut = cut_at(_ends(bars))
    longest = cut or max(_ends(bars)) or 1.0
    values = [
        {key: value for key, value in bar.items() if key != "place"}
        | {
            "name": names[bar["place"][0].method],
            "method": plain(bar["place"][0].method),
            "from": min(bar["from"], longest),
            "to": min(bar["to"], longest),
            "beyond": bar["to"] > longest and bool(bar["total"]),
            "colour": colour[bar["place"][0].method],
            "lane": bar.get("lane", 0),
        }
        for bar in bars
    ]
    ends = round(CHAR * max(len(bar["total"]) for bar in bars)) + 8 + (HEAD if cut else 0)
    scale = linear(0, longest * width / max(width - ends, 1))
    x = number("from", title=title, scale=scale, axis={"tickCount": max(3, width // 80)})
    y = word("name", sort=list(names.values()), axis=names_axis(label, labelFontSize=11))
    lanes = {"yOffset": {"field": "lane", "type": "ordinal"}} if rows > 1 else {}
    shown = tooltip({"method": "method", "part": "part", "shown": "value"})
    return chart(
        [
            mark("bar", {"x": x, "x2": {"field": "to"}, "y": y, "color": as_is("colour"),
                         "opacity": amount("ink"), "tooltip": shown, **lanes},
                 height={"band": 0.9 if rows > 1 else 0.66}),
            mark("text", {"x": x | {"field": "to"}, "y": y, "text": word("total"), **lanes},
                 only="datum.total != ''", align="left", baseline="middle",
                 dx={"expr": f"datum.beyond ? {HEAD + 4} : 4"}, fontSize=10 if rows > 1 else 11),
            *bar_ends(x | {"field": "to"}, y, **lanes),
        ],
        values=values, width=width, height=_STEP * len(names) + (rows - 1) * 6 * len(names),
    )  # fmt: skip


def _ends(bars: Sequence[FigureRow]) -> list[float]:
    """Return the lengths of whole bars."""
    return [bar["to"] for bar in bars if bar["total"]]


def _value(pair: Profiled, name: str) -> float | None:
    return finite(pair[1].value(name))


def _table(pairs: Sequence[Profiled], parts: dict[str, str]) -> list[FigureRow]:
    return [
        named_columns(pair[0]) | {name: _value(pair, name) for name in parts.values()} for pair in pairs
    ]


def _left_out(comparison: Comparison, drawn: Sequence[Profiled]) -> str:
    left = [
        plain(result.method)
        for result in comparison.answers
        if not any(result is other for other, _ in drawn)
    ]
    return f" Not measured: {', '.join(left)}." if left else ""
