"""A study's own results and published results in one figure, drawn differently."""

from __future__ import annotations

from collections.abc import Callable

from whichpeft import reference
from whichpeft.analysis import Comparison
from whichpeft.errors import RequestError, suggestion
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import GREY, colours
from whichpeft.report.tables.notes import about
from whichpeft.report.text import named, plain

_LOWEST = 60  # per cent retained; points below would compress all the others


def check_published(name: str) -> str:
    """Return the canonical name of a published table that reports retention.

    Raises
    ------
    RequestError
        If the table is unknown, or has no full fine-tuning to compare with.
    """
    known = reference.canonical(name)
    if known not in _TABLES:
        raise RequestError(
            f"--published {name!r}: it has no full fine-tuning to compare methods with"
            f"{suggestion(known, _TABLES)}"
        )
    return known


def overlay_published(comparison: Comparison, name: str, size: Size) -> Figure:
    """Draw retention against trainable share, with own methods filled and published ones hollow."""
    title = "Performance retained against trainable share, with published results"
    colour = colours([result.method for result in comparison.results])
    own = [
        Point(
            name=named(result),
            x=result.trainable_percent,
            y=result.retention_percent,
            colour=colour[result.method],
            facts=(("from", "this study"), ("backbone", plain(comparison.backbone))),
        )
        for result in comparison.answers
        if result.retention_percent is not None
        and result.trainable_percent
        and result.verdict != "baseline"
    ]
    if not own:
        why = "no method of this study has a score in addition to the baseline"
        return empty_figure(why, size, title=title, about=about(comparison))
    theirs = _TABLES[check_published(name)]()
    shown = [point for point in theirs if point.y >= _LOWEST]
    kept = [point for point in own if point.y >= _LOWEST]
    left_out = [point.name for point in own if point.y < _LOWEST]
    caption = (
        f"Filled: this study, retention relative to {plain(comparison.baseline)}. Hollow: published "
        "results with other models, data, hardware, tuning and parameter counts, so the two are not "
        "comparable as experiments."
    )
    if left_out:
        caption += f" Left out of this study, below {_LOWEST} %: {', '.join(left_out)}."
    if len(shown) < len(theirs):
        caption += f" Left out of the published results, below {_LOWEST} %: {len(theirs) - len(shown)}."
    caption = f"{caption} {reference.source(name)}"
    axes = Axes(
        x_title="trainable parameters, %",
        y_title="performance retained, %",
        width=size.width,
        height=size.height,
        log_x=True,
    )
    chart = scatter([*shown, *kept], axes, line=(100, "as full fine-tuning"))
    rows = [
        {
            "from": dict(point.facts)["from"],
            "name": point.name,
            "backbone": dict(point.facts)["backbone"],
            "trainable_percent": point.x,
            "retention_percent": point.y,
        }
        for point in [*own, *theirs]
    ]
    return make_figure(chart, title=title, about=about(comparison), caption=caption, rows=rows)


def _domains() -> list[Point]:
    return [
        _hollow(
            str(row["application"]),
            float(row["params_percent"]),
            float(row["performance_retention_percent"]),
            str(row["backbone"]),
            named=True,
        )
        for row in reference.load("domains").to_dict(orient="records")
    ]


def _metamathqa() -> list[Point]:
    frame = reference.load("hf-metamathqa")
    full = float(frame.loc[frame["peft_type"] == "FULL", "test_accuracy"].iloc[0])
    return [
        _hollow(
            str(row["experiment"]),
            100 * row["trainable_parameters"] / row["total_parameters"],
            100 * row["test_accuracy"] / full,
            "Llama-3.2-3B",
            named=False,
        )
        for row in frame[frame["peft_type"] != "FULL"].to_dict(orient="records")
    ]


def _hollow(name: str, share: float, retained: float, backbone: str, *, named: bool) -> Point:
    return Point(
        name=name,
        x=share,
        y=retained,
        colour=GREY,
        facts=(("from", "published"), ("backbone", backbone)),
        named=named,
        hollow=True,
        opacity=0.9 if named else 0.6,
    )


_TABLES: dict[str, Callable[[], list[Point]]] = {"domains": _domains, "hf-metamathqa": _metamathqa}
