"""Building blocks of the figures of published results: bars with labels and grids of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whichpeft import reference
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.style import PALETTE
from whichpeft.report.figures.vega import Spec, chart, concat, linear, mark, number, word


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A labelled bar."""

    name: str
    """The name on the axis."""

    height: float
    """The bar's value, in units of the axis."""

    text: str
    """The label above the bar."""


def bars(
    values: Sequence[Bar],
    *,
    y_title: str,
    domain: tuple[float, float],
    width: int,
    height: int,
    title: str = "",
    line: float | None = None,
) -> Spec:
    """Return a bar chart in the given order.

    Bars start at the bottom of the axis; if that is not zero, the caption has to say so.

    Parameters
    ----------
    values
        The bars, from left to right.
    y_title
        Title of the y axis.
    domain
        Lowest and highest value of the y axis.
    width, height
        Size of the plot, in pixels.
    title
        Title above the chart; none if empty.
    line
        A height at which a dashed line is drawn.
    """
    data = [{"x": bar.name, "y": bar.height, "text": bar.text} for bar in values]
    names = [bar.name for bar in values]
    across = word(
        "x", sort=names, title=None, axis={"labelAngle": -40, "labelLimit": 150, "ticks": False}
    )
    up = number("y", title=y_title, scale=linear(*domain), axis={"tickCount": 6})
    written = {"x": across, "y": up, "text": word("text")}
    layers = [
        mark("bar", {"x": across, "y": up}, color=PALETTE[0], opacity=0.6, clip=True),
        mark("text", written, baseline="bottom", dy=-3, fontSize=10),
    ]
    if line is not None:
        layers.append(mark("rule", {"y": up}, values=[{"y": line}], strokeDash=[5, 4], strokeWidth=1.3))
    spec = chart(layers, values=data, width=width, height=height)
    return {**spec, "title": title} if title else spec


def grid(
    cells: Sequence[tuple[str, str, float]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    width: int,
    title: str = "",
) -> Spec:
    """Return a table of numbers in which higher numbers have darker cells.

    A single hue from light to dark is readable with any colour vision deficiency.

    Parameters
    ----------
    cells
        Row, column and a number from 0 to 100.
    rows, columns
        The order of both axes.
    width
        Width of the plot, in pixels.
    title
        Title above the chart; none if empty.
    """
    data = [{"row": row, "column": column, "value": value} for row, column, value in cells]
    bare = {"ticks": False, "domain": False, "grid": False}
    place = {
        "x": word(
            "column", sort=list(columns), title=None, axis={"orient": "top", "labelAngle": -40, **bare}
        ),
        "y": word("row", sort=list(rows), title=None, axis=bare),
    }
    shade = number("value", legend=None, scale={"scheme": "blues", "domain": [0, 100]})
    ink = {"condition": {"test": "datum.value > 60", "value": "#ffffff"}, "value": "#1c2230"}
    shown = {**place, "text": number("value", format=".1f"), "color": ink}
    layers = [mark("rect", {**place, "color": shade}), mark("text", shown, fontSize=10)]
    spec = chart(layers, values=data, width=width, height=17 * len(rows))
    return {**spec, "title": title} if title else spec


def side_by_side(panels: Sequence[Spec], size: Size) -> Spec:
    """Place panels side by side, or one below the other if the figure is narrow."""
    return concat(panels, stacked=size.stacked, spacing=20)


def panel_width(size: Size, *, axis: int = 0) -> int:
    """Return the width of one of two panels; `axis` is the extra width of each y axis, in pixels."""
    return size.width - axis if size.stacked else (size.whole_width - 110) // 2 - axis


def published(title: str, caption: str, name: str, spec: Spec) -> Figure:
    """Make a figure from a chart of a published table; its caption ends with source and reliability."""
    return make_figure(spec, title=title, about=caption, caption=str(reference.source(name)))
