"""The figure of several tasks at once: average ranks with their critical difference."""

from __future__ import annotations

from typing import Any

from whichpeft.analysis import Across
from whichpeft.report.across_table import heading, order_words
from whichpeft.report.figure import Figure, Size, titled
from whichpeft.report.labels import CHAR, distinct, shortened
from whichpeft.report.style import colours
from whichpeft.report.text import plain

_STEP = 24  # pixels from one method to the next
_BAR = 9  # pixels from one group's bar to the next


def across_figures(across: Across, size: Size) -> dict[str, Figure]:
    """Return the figures of one backbone's tasks by the name of their files."""
    return {"ranks": ranks_figure(across, size)}


def ranks_figure(across: Across, size: Size) -> Figure:
    """Draw a critical-difference diagram: average ranks, and bars beside methods that do not differ.

    Methods have a line each, the best first, so that names have room however many there are; small
    points are the ranks on single tasks.
    """
    import altair as alt

    groups = [] if across.order is None else list(across.order.groups)
    room = 90 if size.stacked else 170
    named = distinct([shortened(plain(method), room) for method in across.methods])
    names = {
        method: f"{name} {across.average_ranks[method]:.2f}"
        for method, name in zip(across.methods, named, strict=True)
    }
    label = round(CHAR * max(map(len, names.values()))) + 8
    width = size.whole_width - label - (12 + _BAR * len(groups) if groups else 0)
    height = _STEP * len(names)
    main = _ranks(across, names, width, height, label)
    chart = alt.hconcat(main, _bars(across, groups, height), spacing=8) if groups else main
    ruler = " Rule above: the critical difference." if across.order else ""
    words = order_words(across)
    bars = " Bars at the right join methods that do not differ." if groups else ""
    return titled(
        chart,
        size,
        title="Average ranks over all tasks",
        about=heading(across),
        caption="1 is the best. Large: the average rank, written beside the name; small: the rank on "
        f"each task.{ruler}{bars} {words[0].upper()}{words[1:]}.",
    )


def _ranks(across: Across, names: dict[str, str], width: int, height: int, label: int) -> Any:
    import altair as alt

    count = len(names)
    colour = colours(across.methods)
    every = max(1, -(-count // max(2, width // 26)))
    x = alt.X(
        "rank:Q",
        title="rank",
        scale=alt.Scale(domain=[0.7, count + 0.3], nice=False, zero=False),
        axis=alt.Axis(values=list(range(1, count + 1, every)), format="d", orient="bottom"),
    )
    y = alt.Y(
        "label:N",
        sort=list(names.values()),
        title=None,
        axis=alt.Axis(labelLimit=label, ticks=False, domain=False, labelPadding=6, labelFontSize=11),
    )
    averages = alt.Chart(
        alt.Data(
            values=[
                {"label": text, "rank": across.average_ranks[method], "colour": colour[method]}
                for method, text in names.items()
            ]
        )
    )
    single = alt.Chart(
        alt.Data(
            values=[
                {"label": text, "rank": rank, "task": plain(task), "colour": colour[method]}
                for method, text in names.items()
                for task, rank in zip(across.tasks, across.ranks[method], strict=True)
            ]
        )
    )
    shades = alt.Color("colour:N", scale=None)
    layers = [
        single.mark_point(filled=True, size=26, opacity=0.4).encode(
            x=x, y=y, color=shades, tooltip=[alt.Tooltip("task:N"), alt.Tooltip("rank:Q")]
        ),
        averages.mark_point(filled=True, size=110, opacity=1).encode(
            x=x,
            y=y,
            color=shades,
            tooltip=[alt.Tooltip("label:N", title="average rank")],
        ),
    ]
    if across.order is not None:
        layers += _ruler(across.order.critical_difference, x)
    return alt.layer(*layers).properties(width=width, height=height)


def _ruler(difference: float, x: Any) -> list[Any]:
    """Draw the critical difference to scale above the ranks, from rank 1 on."""
    import altair as alt

    base = alt.Chart(
        alt.Data(
            values=[{"rank": 1, "end": 1 + difference, "text": f"critical difference {difference:.2f}"}]
        )
    )
    ends = alt.Chart(alt.Data(values=[{"rank": 1}, {"rank": 1 + difference}]))
    return [
        base.mark_rule(strokeWidth=2).encode(x=x, x2="end:Q", y=alt.value(-12)),
        ends.mark_rule(strokeWidth=2).encode(x=x, y=alt.value(-16), y2=alt.value(-8)),
        base.mark_text(align="left", baseline="bottom", dy=-6).encode(
            x=x, y=alt.value(-12), text="text:N"
        ),
    ]


def _bars(across: Across, groups: list[tuple[str, ...]], height: int) -> Any:
    """Draw a bar for each group of methods that do not differ, level with their lines."""
    import altair as alt

    place = {method: i for i, method in enumerate(across.methods)}
    values = [
        {
            "x": i,
            "top": _STEP * (place[group[0]] + 0.5) - 6,
            "bottom": _STEP * (place[group[-1]] + 0.5) + 6,
            "text": ", ".join(map(plain, group)),
        }
        for i, group in enumerate(groups)
    ]
    return (
        alt.Chart(alt.Data(values=values))
        .mark_rule(strokeWidth=4, strokeCap="round")
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.5, len(groups) - 0.5], nice=False)),
            y=alt.Y("top:Q", axis=None, scale=alt.Scale(domain=[height, 0], nice=False)),
            y2="bottom:Q",
            tooltip=[alt.Tooltip("text:N", title="do not differ")],
        )
        .properties(width=_BAR * len(groups), height=height)
    )
