"""The names of lines, in one column at the right of a plot, each with the point of its method."""

from __future__ import annotations

from whichpeft.report.figures.label_placement import CHAR
from whichpeft.report.figures.vega import Spec, as_is, fixed, mark, word

LEAD = 26
"""Pixels from the end of a line to its name."""

_POINT = 9  # pixels from the middle of the point to the name


def room_for(names: list[str]) -> int:
    """Return the pixels that names take at the right of a plot."""
    return round(CHAR * max(map(len, names), default=0)) + LEAD


def line_names(x: Spec, y: Spec, width: int, *, at: str) -> list[Spec]:
    """Return the marks of the names of lines.

    Parameters
    ----------
    x, y
        Encodings of the lines.
    width
        Width of the plot, in pixels.
    at
        Field with the height of a name. Rows with a `label` have one, and `colour` and `shape` too.
    """
    named = "datum.label != null"
    place = y | {"field": at}
    coloured = {"color": as_is("colour")}
    point = {"x": fixed(width + LEAD - _POINT), "y": place, **coloured, "shape": as_is("shape")}
    return [
        mark("rule", {"x": x, "x2": fixed(width + LEAD - _POINT - 4), "y": y, "y2": {"field": at},
                      **coloured}, only=named, strokeWidth=0.8),
        mark("point", point, only=named, filled=True, size=60, opacity=1),
        mark("text", {"x": fixed(width + LEAD), "y": place, "text": word("label")}, only=named,
             align="left", baseline="middle"),
    ]  # fmt: skip
