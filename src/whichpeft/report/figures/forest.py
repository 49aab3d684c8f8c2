"""The forest plot: each method's gap to the baseline with interval, margin and verdict."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import in_points, interval_columns, named_columns
from whichpeft.report.figures.label_placement import CHAR, distinct, shortened
from whichpeft.report.figures.style import GREY, looks
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    as_is,
    chart,
    fixed,
    linear,
    mark,
    names_axis,
    number,
    tooltip,
    word,
)
from whichpeft.report.tables.notes import about, interval_over
from whichpeft.report.text import UNKNOWN, plain, tuned_note, with_bounds
from whichpeft.report.verdict_text import proves, verdict
from whichpeft.units import points

_STEP = 30  # pixels from one method to the next
_BETWEEN = 12


def gap_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the forest plot by file name; empty if the baseline is the only method."""
    title = f"Gap to {plain(comparison.baseline)}"
    results = [
        result
        for result in comparison.answers
        if result.gap_mean is not None and result.verdict != "baseline"
    ]
    results.sort(key=lambda result: -(result.gap_mean or 0.0))
    others = [result for result in comparison.answers if result.verdict != "baseline"]
    if not others:
        return {}
    # Methods that train nothing score so far below the others that they would compress them.
    results = [result for result in results if not result.trains_nothing] or results
    if not results:
        why = (
            f"the baseline {plain(comparison.baseline)} has no score yet"
            if comparison.baseline_result is not None
            else f"the baseline {plain(comparison.baseline)} is not in the study"
        )
        return {"gaps": empty_figure(why, size, title=title, about=about(comparison))}
    figure = make_figure(
        _forest(comparison, results, size),
        size,
        title=title,
        about=about(comparison),
        caption=_caption(comparison, results, others),
        rows=[_columns(result) for result in results],
    )
    return {"gaps": figure}


def _forest(comparison: Comparison, results: Sequence[MethodResult], size: Size) -> Spec:
    words = [_words(result, brief=size.stacked) for result in results]
    texts = round(CHAR * max(len(line) for two in words for line in two)) + _BETWEEN
    room = max(86.0, 0.22 * size.whole_width)
    names = distinct([shortened(plain(result.method), room) for result in results])
    label = round(CHAR * max(map(len, names))) + 8
    width = size.whole_width - label - texts
    low, high = _domain(comparison, results)
    values = _values(comparison, results, names, words, (low, high))
    y = word("name", sort=names, axis=names_axis(label, labelFontSize=11))
    x = number(
        "gap", title="gap, points", scale=linear(low, high), axis={"tickCount": max(3, width // 60)}
    )
    height = _STEP * len(results)
    margin = points(comparison.margin)
    band = [{"from": -margin, "to": margin}]
    facts = {"name": "method", "shown": "gap", "verdict": "verdict", "proves": "proves"}
    coloured = {"color": as_is("colour")}
    ends = [
        mark("point", {"x": number("at"), "y": y, **coloured}, only=f"datum.beyond_{side}",
             shape=f"triangle-{side}", filled=True, size=34)
        for side in ("left", "right")
    ]  # fmt: skip
    ends = [_at(end, field) for end, field in zip(ends, ("low", "high"), strict=True)]
    return chart(
        [
            mark("rect", {"x": x | {"field": "from"}, "x2": {"field": "to"}, "y": fixed(0),
                          "y2": fixed(height)}, values=band, color=GREY, opacity=0.17),
            mark("rule", {"x": x | {"field": "zero"}, "y": fixed(0), "y2": fixed(height)},
                 values=[{"zero": 0}], strokeDash=[5, 4], strokeWidth=1.3),
            mark("rule", {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, **coloured},
                 only="datum.low != null", strokeWidth=2.2),
            *ends,
            mark("point", {"x": x, "y": y, **coloured, "shape": as_is("shape"),
                           "tooltip": tooltip(facts)}, filled=True, size=90, opacity=1),
            mark("text", {"x": fixed(width + _BETWEEN), "y": y, "text": word("verdict")}, align="left",
                 baseline="bottom", fontWeight="bold", dy=0),
            mark("text", {"x": fixed(width + _BETWEEN), "y": y, "text": word("proved")}, align="left",
                 baseline="top", dy=2, fontSize=10, opacity=0.8),
        ],
        values=values, width=width, height=height,
    )  # fmt: skip


def _at(end: Spec, field: str) -> Spec:
    return {**end, "encoding": {**end["encoding"], "x": number(field)}}


def _domain(comparison: Comparison, results: Sequence[MethodResult]) -> tuple[float, float]:
    """Return bounds that include all gaps, the margin and, unless they are too wide, the intervals."""
    margin = points(comparison.margin)
    gaps = [points(result.gap_mean or 0.0) for result in results]
    low, high = min([*gaps, -margin]), max([*gaps, margin])
    # With two seeds an interval can span hundreds of points, which would compress all gaps.
    room = max(0.6 * (high - low), 8.0)
    low, high = (
        max(min([low, *_lows(results)]), low - room),
        min(max([high, *_highs(results)]), high + room),
    )
    edge = 0.04 * (high - low)
    return low - edge, high + edge


def _lows(results: Sequence[MethodResult]) -> list[float]:
    return [points(low) for result in results if (low := result.verdict_gap.low) is not None]


def _highs(results: Sequence[MethodResult]) -> list[float]:
    return [points(high) for result in results if (high := result.verdict_gap.high) is not None]


def _values(
    comparison: Comparison,
    results: Sequence[MethodResult],
    names: Sequence[str],
    words: Sequence[tuple[str, str]],
    domain: tuple[float, float],
) -> list[FigureRow]:
    look = looks([result.method for result in comparison.results])
    values = []
    for result, name, (first, second) in zip(results, names, words, strict=True):
        gap, low, high = in_points(result.verdict_gap)
        values.append(
            {
                "name": name,
                "gap": gap,
                # An interval that extends beyond the plot ends in an arrow at the edge.
                "low": None if low is None else max(low, domain[0]),
                "high": None if high is None else min(high, domain[1]),
                "beyond_left": low is not None and low < domain[0],
                "beyond_right": high is not None and high > domain[1],
                "colour": look[result.method].colour,
                "shape": look[result.method].shape,
                "verdict": first,
                "proved": second,
                "proves": proves(result),
                "shown": with_bounds(result.verdict_gap, sign=True),
            }
        )
    return values


def _words(result: MethodResult, *, brief: bool) -> tuple[str, str]:
    """Return the text next to a line: the verdict, and below it the gap and the proved margin."""
    proved = proves(result)
    if brief:
        short = str(result.verdict or UNKNOWN)
        return short, "" if proved == UNKNOWN else proved
    parts = [
        with_bounds(result.verdict_gap, sign=True),
        *([] if proved == UNKNOWN else [f"proved {proved}"]),
    ]
    return verdict(result), "; ".join(parts)


def _columns(result: MethodResult) -> FigureRow:
    proved = result.proved_margin
    return (
        named_columns(result)
        | interval_columns("gap", result.verdict_gap)
        | {
            "verdict": result.verdict,
            "proved_margin_points": None if proved is None else points(proved),
            "p_adjusted": result.p_adjusted,
        }
    )


def _caption(
    comparison: Comparison, results: Sequence[MethodResult], others: Sequence[MethodResult]
) -> str:
    base = plain(comparison.baseline)
    parts = [
        f"Score minus that of {base}, paired by seed; right of the dashed line is better. Shaded: "
        f"the margin of {points(comparison.margin):.3g} points that equivalence allows."
    ]
    if _lows(results):
        parts.append(
            f"Bars: the intervals that verdicts rest on, over {interval_over(comparison)}: 90 % if "
            "equivalent, otherwise 95 % for all methods together."
        )
        low, high = _domain(comparison, results)
        if any(bound < low for bound in _lows(results)) or any(
            bound > high for bound in _highs(results)
        ):
            parts.append("Arrow: the interval extends further.")
        parts.append(
            "Better and worse leave out 0, and equivalent stays within the shaded margin; all else is "
            "undecided."
        )
    left = [result for result in others if not any(result is drawn for drawn in results)]
    idle = [
        f"{plain(result.method)} {with_bounds(result.verdict_gap, sign=True)}, {verdict(result)}"
        for result in left
        if result.gap_mean is not None
    ]
    if idle:
        parts.append(f"Not drawn, because they train nothing: {'; '.join(idle)}.")
    unknown = [plain(result.method) for result in left if result.gap_mean is None]
    if unknown:
        parts.append(f"Not drawn, because they have no gap: {', '.join(unknown)}.")
    return " ".join(parts) + tuned_note(comparison)
