"""What a figure is, and the sizes in which it is drawn for print and for the page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from whichpeft.report.figures.vega import Chart, Spec, mark, word

FigureRow = dict[str, Any]
"""A row of what a figure draws, by column; the names of columns carry units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a figure is: its plot in pixels, and whether it bears a title."""

    width: int
    height: int
    titled: bool = False
    stacked: bool = False

    @property
    def whole_width(self) -> int:
        """Return the plot's width with room for the y axis."""
        return self.width + 56


# Set to the 17 cm of a page, letters of 11 pixels are 10 points high; in a column of 8.5 cm, 8.
PRINT = Size(width=450, height=290, titled=True)
COLUMN = Size(width=255, height=240, stacked=True)
# From the widest down; a page takes the first that fits.
SCREEN = (
    Size(width=920, height=420),
    Size(width=580, height=380),
    Size(width=255, height=300, stacked=True),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A chart with its title and a caption that says how to read it and what is left out.

    group, label: figures of one group are views of the same thing; a page shows one of them and
    lets the reader choose among their labels. A figure that stands alone has neither. rows: what is
    drawn, for those who want to draw it themselves. undrawn: why there is nothing to draw; the
    chart then says so.
    """

    title: str
    caption: str
    chart: Chart
    group: str = ""
    label: str = ""
    rows: Sequence[FigureRow] = ()
    undrawn: str = ""


def titled(
    spec: Spec,
    size: Size,
    *,
    title: str,
    about: str,
    caption: str,
    rows: Sequence[FigureRow] = (),
    group: str = "",
    label: str = "",
) -> Figure:
    """Make a figure of a spec; where it stands alone, it says itself what it is about."""
    if size.titled:
        # Slightly more than the average width of a letter at the size of subtitles.
        lines = textwrap.wrap(f"{about}. {caption}", int(size.whole_width / 5.7))
        spec = {**spec, "title": {"text": title, "subtitle": lines}}
    return Figure(
        title=title, caption=caption, chart=Chart(spec), group=group, label=label, rows=tuple(rows)
    )


def undrawn(why: str, size: Size, *, title: str, about: str, group: str = "", label: str = "") -> Figure:
    """Make a figure that says why there is nothing to draw; a page says it in a line of text."""
    spec: Spec = {
        "data": {"values": [{"text": why}]},
        **mark("text", {"text": word("text")}, limit=size.whole_width),
        "width": size.whole_width,
        "height": 60,
    }
    empty = titled(spec, size, title=title, about=about, caption="", group=group, label=label)
    return replace(empty, undrawn=why)
