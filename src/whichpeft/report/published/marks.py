"""What figures of published results are made of: bars with a number on each, grids of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whichpeft import reference
from whichpeft.report.figures.figure import Figure, Size, titled
from whichpeft.report.figures.style import PALETTE
from whichpeft.report.figures.vega import Spec, beside, chart, linear, mark, number, word


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar: its name, its height and the number written on it."""

    name: str
    height: float
    text: str


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
    """Return a bar chart in the order given. line: a height drawn dashed across.

    Bars are drawn from the foot of the axis; where that is not zero, a caption has to say so.
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
    """Return a table of numbers, each cell the darker the higher its number.

    cells: row, column and number from 0 to 100. One hue from light to dark can be read whatever
    colours a reader sees.
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
    """Lay panels beside each other, or beneath where there is no width for it."""
    return beside(panels, stacked=size.stacked, spacing=20)


def panel_width(size: Size, *, axis: int = 0) -> int:
    """Return the width of one of two panels, each with an axis of so many pixels more than usual."""
    return size.width - axis if size.stacked else (size.whole_width - 110) // 2 - axis


def published(title: str, caption: str, name: str, spec: Spec, size: Size) -> Figure:
    """Make a figure of a chart of a published table; the caption ends with source and reliability."""
    return titled(spec, size, title=title, about=caption, caption=str(reference.source(name)))
