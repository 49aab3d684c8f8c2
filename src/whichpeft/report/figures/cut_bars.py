"""Bars of outliers, which end in an arrow so that they do not set the axis."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.report.figures.scales import cut_at
from whichpeft.report.figures.vega import Spec, as_is, mark

HEAD = 10
"""Width of an arrow's head, in pixels."""


def bar_ends(x: Spec, y: Spec, **lanes: Spec) -> list[Spec]:
    """Return the arrows at the ends of bars that are cut, which have `beyond` in their rows."""
    return [
        mark("point", {"x": x, "y": y, "color": as_is("colour"), **lanes}, only="datum.beyond",
             shape="triangle-right", filled=True, size=1.3 * HEAD**2, opacity=1, xOffset=HEAD / 2 - 1)
    ]  # fmt: skip


def cut_note(lengths: Sequence[float]) -> str:
    """Explain the arrows if there are any, else return nothing."""
    return " Arrow: the bar is longer than the axis." if cut_at(lengths) is not None else ""
