"""What figures of published results are made of: bars with a number on each, grids of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whichpeft import reference
from whichpeft.report.figure import Figure, Size, titled
from whichpeft.report.style import PALETTE


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
) -> Any:
    """Return a bar chart in the order given. line: a height drawn dashed across.

    Bars are drawn from the foot of the axis; where that is not zero, a caption has to say so.
    """
    import altair as alt

    data = [{"x": bar.name, "y": bar.height, "text": bar.text} for bar in values]
    base = alt.Chart(alt.Data(values=data))
    across = alt.X(
        "x:N",
        sort=[bar.name for bar in values],
        title=None,
        axis=alt.Axis(labelAngle=-40, labelLimit=150, ticks=False),
    )
    up = alt.Y(
        "y:Q",
        title=y_title,
        scale=alt.Scale(domain=list(domain), nice=False),
        axis=alt.Axis(tickCount=6),
    )
    layers = [
        base.mark_bar(color=PALETTE[0], opacity=0.6, clip=True).encode(x=across, y=up),
        base.mark_text(baseline="bottom", dy=-3, fontSize=10).encode(x=across, y=up, text="text:N"),
    ]
    if line is not None:
        rule = alt.Chart(alt.Data(values=[{"y": line}]))
        layers.append(rule.mark_rule(strokeDash=[5, 4], strokeWidth=1.3).encode(y=up))
    chart = alt.layer(*layers).properties(width=width, height=height)
    return chart.properties(title=title) if title else chart


def grid(
    cells: Sequence[tuple[str, str, float]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    width: int,
    title: str = "",
) -> Any:
    """Return a table of numbers, each cell the darker the higher its number.

    cells: row, column and number from 0 to 100. One hue from light to dark can be read whatever
    colours a reader sees.
    """
    import altair as alt

    data = [{"row": row, "column": column, "value": value} for row, column, value in cells]
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X(
            "column:N",
            sort=list(columns),
            title=None,
            axis=alt.Axis(orient="top", labelAngle=-40, ticks=False, domain=False, grid=False),
        ),
        y=alt.Y(
            "row:N",
            sort=list(rows),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, grid=False),
        ),
    )
    shade = alt.Color("value:Q", legend=None, scale=alt.Scale(scheme="blues", domain=[0, 100]))
    ink = alt.condition("datum.value > 60", alt.value("#ffffff"), alt.value("#1c2230"))
    layers = [
        base.mark_rect().encode(color=shade),
        base.mark_text(fontSize=10).encode(text=alt.Text("value:Q", format=".1f"), color=ink),
    ]
    chart = alt.layer(*layers).properties(width=width, height=17 * len(rows))
    return chart.properties(title=title) if title else chart


def side_by_side(panels: Sequence[Any], size: Size) -> Any:
    """Lay panels beside each other, or beneath where there is no width for it."""
    import altair as alt

    return alt.vconcat(*panels) if size.stacked else alt.hconcat(*panels)


def panel_width(size: Size, *, axis: int = 0) -> int:
    """Return the width of one of two panels, each with an axis of so many pixels more than usual."""
    return size.width - axis if size.stacked else (size.whole_width - 110) // 2 - axis


def published(title: str, caption: str, name: str, chart: Any, size: Size) -> Figure:
    """Make a figure of a chart of a published table; the caption ends with source and reliability."""
    return titled(chart, size, title=title, about=caption, caption=str(reference.source(name)))
