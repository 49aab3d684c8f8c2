"""Where a race's training examples went, next to those of an exhaustive study."""

from __future__ import annotations

from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.label_placement import CHAR
from whichpeft.report.figures.style import BLUE, GREEN, ORANGE
from whichpeft.report.figures.vega import (
    FigureRow,
    as_is,
    chart,
    linear,
    mark,
    names_axis,
    number,
    tooltip,
    word,
)
from whichpeft.report.race.course import Course
from whichpeft.report.race.ladder import about_race
from whichpeft.report.race.spending import EXHAUSTIVE_SEEDS, exhaustive, spending

TITLE = "Where the training went"
_SEARCH, _AUDIT, _FINALS = BLUE, ORANGE, GREEN
_INK = (0.45, 0.7, 0.95)  # of the screen's rungs


def spending_figure(course: Course, size: Size) -> Figure:
    """Draw the whole trainings that each part of the race took, and those of an exhaustive study."""
    parts = [spent for spent in spending(course) if spent.units]
    if not parts:
        why = "no trial has finished yet"
        return empty_figure(why, size, title=TITLE, about=about_race(course))
    whole = exhaustive(course)
    bars: list[FigureRow] = []
    for spent in parts:
        _add(bars, "this race", spent.part, spent.units)
    _add(bars, "exhaustive study", "all candidates to the end", whole.searches)
    _add(bars, "exhaustive study", f"finals of all, {EXHAUSTIVE_SEEDS} seeds", whole.finals)
    sums = {
        name: max(bar["to"] for bar in bars if bar["study"] == name)
        for name in ("this race", "exhaustive study")
    }
    label = round(CHAR * len("exhaustive study")) + 8
    width = size.whole_width - label - 12
    longest = max(sums.values())
    room = 60 * longest / max(width - 60, 1)
    x = number("from", title="whole trainings", scale=linear(0, longest + room),
               axis={"tickCount": max(3, width // 90)})  # fmt: skip
    y = word("study", sort=list(sums), axis=names_axis(label, labelFontSize=11))
    tips = tooltip({"study": "study", "part": "part", "shown": "whole trainings"})
    ends = {name: f"{units:.0f}" for name, units in sums.items()}
    spec = chart(
        [
            mark("bar", {"x": x, "x2": {"field": "to"}, "y": y, "color": as_is("colour"),
                         "opacity": as_is("ink", "quantitative"),
                         "tooltip": tips},
                 height={"band": 0.62}),
            mark("text", {"x": x | {"field": "to"}, "y": y, "text": word("sum")},
                 only="datum.sum != ''", align="left", baseline="middle", dx=5),
        ],
        values=[
            bar | {"sum": ends[bar["study"]] if bar["to"] == sums[bar["study"]] else ""} for bar in bars
        ],
        width=width,
        height={"step": 40},
    )  # fmt: skip
    return make_figure(
        spec,
        title=TITLE,
        about=about_race(course),
        caption="In whole trainings: training examples divided by those of one trial to the end. Blue: "
        "screen, stronger at later rungs. Orange: arms trained to the end although they were dropped. "
        f"Green: finals. An exhaustive study trains every candidate of the {len(course.racing)} methods "
        f"to the end and tests every method on {EXHAUSTIVE_SEEDS} seeds.",
        rows=[
            {"study": bar["study"], "part": bar["part"], "whole_trainings": bar["to"] - bar["from"]}
            for bar in bars
        ],
    )


def _add(bars: list[FigureRow], study: str, part: str, units: float) -> None:
    own = [bar for bar in bars if bar["study"] == study]
    start = own[-1]["to"] if own else 0.0
    kinds = {"finals": _FINALS, "audit": _AUDIT, "widened": _AUDIT}
    colour = next((found for word, found in kinds.items() if part.startswith(word)), _SEARCH)
    rungs = sum(bar["colour"] == _SEARCH for bar in own)
    ink = _INK[min(rungs, len(_INK) - 1)] if colour == _SEARCH and study == "this race" else _INK[-1]
    bars.append(
        {"study": study, "part": part, "from": start, "to": start + units, "colour": colour, "ink": ink,
         "shown": f"{units:.1f}"}
    )  # fmt: skip
