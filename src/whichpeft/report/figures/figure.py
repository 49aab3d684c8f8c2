"""Figures, and their sizes for print and for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whichpeft.report.figures.vega import Chart, FigureRow, Spec, mark, word


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """The size of a figure."""

    width: int
    """Width of the plot, in pixels."""

    height: int
    """Height of the plot, in pixels."""

    stacked: bool = False
    """Whether panels are placed one below the other, because the figure is narrow."""

    @property
    def whole_width(self) -> int:
        """The width of the plot and its y axis."""
        return self.width + 56


# Scaled to a page width of 17 cm, text of 11 pixels is 10 points high; in a column of 8.5 cm, 8 points.
PRINT = Size(width=450, height=290)
COLUMN = Size(width=255, height=240, stacked=True)
# From wide to narrow; the page uses the first that fits.
SCREEN = (
    Size(width=920, height=420),
    Size(width=580, height=380),
    Size(width=255, height=300, stacked=True),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A chart with its title and caption."""

    title: str
    """The title."""

    about: str = ""
    """What was compared: backbone, task and seeds."""

    caption: str
    """How to read the chart, and what it leaves out."""

    chart: Chart
    """The drawing."""

    group: str = ""
    """Figures of the same group are views of one subject; the page shows one of them at a time."""

    label: str = ""
    """The name of the view within its group."""

    aside: str = ""
    """The title of the folded part of the page that has the figure; empty if it is not folded."""

    rows: Sequence[FigureRow] = ()
    """The data of the chart, written to the figure's CSV file."""

    empty_because: str = ""
    """Why there is nothing to draw; the chart then shows this text."""


def make_figure(
    spec: Spec,
    *,
    title: str,
    about: str,
    caption: str,
    rows: Sequence[FigureRow] = (),
    group: str = "",
    label: str = "",
    aside: str = "",
) -> Figure:
    """Make a figure from a spec. Its title and caption are not in the drawing."""
    return Figure(
        title=title,
        about=about,
        caption=caption,
        chart=Chart(spec),
        group=group,
        label=label,
        aside=aside,
        rows=tuple(rows),
    )


def empty_figure(
    why: str, size: Size, *, title: str, about: str, group: str = "", label: str = ""
) -> Figure:
    """Make a figure that explains why there is nothing to draw; the page lists the reason as text."""
    spec: Spec = {
        "data": {"values": [{"text": why}]},
        **mark("text", {"text": word("text")}, limit=size.whole_width),
        "width": size.whole_width,
        "height": 60,
    }
    empty = make_figure(spec, title=title, about=about, caption="", group=group, label=label)
    return replace(empty, empty_because=why)
