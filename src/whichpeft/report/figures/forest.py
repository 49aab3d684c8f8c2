"""The forest plot: each method's gap to the baseline with interval, margin and verdict."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import in_points, interval_columns, named_columns
from whichpeft.report.figures.label_placement import distinct, shortened
from whichpeft.report.figures.scales import cut_at
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

_STEP, _TALL_STEP = 34, 48  # pixels from one method to the next; tall if texts are above the bars
_BETWEEN = 14
_WIDE = 700  # pixels from which each text has a column of its own
_TEXT, _WIDTH, _BOLD = 12, 6.7, 7.8  # size of the texts and width of a character, in pixels


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
        title=title,
        about=about(comparison),
        caption=_caption(comparison, results, others),
        rows=[_columns(result) for result in results],
    )
    return {"gaps": figure}


def _forest(comparison: Comparison, results: Sequence[MethodResult], size: Size) -> Spec:
    """Draw gaps with their texts at the right or, in a narrow figure, above each bar."""
    low, high = _domain(comparison, results)
    columns = _columns_of_text(results, size)
    widths = [
        round((_WIDTH if i else _BOLD) * max(map(len, column))) + _BETWEEN
        for i, column in enumerate(columns)
    ]
    if size.stacked:
        label, width = 0, size.whole_width - 12
        room = max(60.0, width - sum(widths))
    else:
        room = max(90.0, 0.22 * size.whole_width)
    names = distinct([shortened(plain(result.method), room) for result in results])
    if not size.stacked:
        label = round(_WIDTH * max(map(len, names))) + 8
        width = size.whole_width - label - sum(widths)
    y = word("name", sort=names, axis=names_axis(label or None, labelFontSize=_TEXT))
    x = number(
        "gap",
        title=f"score minus that of {plain(comparison.baseline)}, points",
        scale=linear(low, high),
        axis={"tickCount": max(3, width // 60), "grid": not size.stacked},
    )
    step = _TALL_STEP if size.stacked else _STEP
    lift = 9 if size.stacked else 0
    height = step * len(results)
    facts = {"method": "method", "shown": "gap", "verdict": "verdict", "proves": "proves"}
    coloured = {"color": as_is("colour")}
    ends = [
        mark("point", {"x": number(field), "y": y, **coloured}, only=f"datum.beyond_{side}",
             shape=f"triangle-{side}", filled=True, size=50, opacity=1, yOffset=lift)
        for side, field in (("left", "low"), ("right", "high"))
    ]  # fmt: skip
    return chart(
        [
            *_margin(x, y, names, points(comparison.margin), height, lift),
            mark("rule", {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, **coloured},
                 only="datum.low != null", strokeWidth=2.4, yOffset=lift),
            *ends,
            mark("point", {"x": x, "y": y, **coloured, "shape": as_is("shape"),
                           "tooltip": tooltip(facts)}, only="!datum.outside", filled=True, size=110,
                 opacity=1, yOffset=lift),
            *(_texts_above(y, width, widths) if size.stacked else _texts_beside(y, width, widths, size)),
        ],
        values=_values(comparison, results, names, columns, (low, high)), width=width, height=height,
    )  # fmt: skip


def _margin(x: Spec, y: Spec, names: Sequence[str], margin: float, height: int, lift: int) -> list[Spec]:
    """Return the margin of equivalence and the line of no gap, only behind bars if they are lifted."""
    band, zero = {"x": x | {"field": "from"}, "x2": {"field": "to"}}, {"x": x | {"field": "zero"}}
    ends = {"from": -margin, "to": margin}
    if lift:
        lanes = [{"name": name, "zero": 0, **ends} for name in names]
        return [
            mark("bar", {**band, "y": y}, values=lanes, height=2 * lift + 2, yOffset=lift, color=GREY,
                 opacity=0.2),
            mark("tick", {**zero, "y": y}, values=lanes, size=2 * lift + 2, thickness=1.3,
                 orient="vertical", yOffset=lift, opacity=1),
        ]  # fmt: skip
    across = {"y": fixed(0), "y2": fixed(height)}
    return [
        mark("rect", {**band, **across}, values=[ends], color=GREY, opacity=0.2),
        mark("rule", {**zero, **across}, values=[{"zero": 0}], strokeDash=[5, 4], strokeWidth=1.3),
    ]


def _columns_of_text(results: Sequence[MethodResult], size: Size) -> list[list[str]]:
    """Return the texts of each line: the verdict, the gap and, if there is space, the proved margin."""
    gaps = [with_bounds(result.verdict_gap, sign=True) for result in results]
    if size.stacked:
        return [[str(result.verdict or UNKNOWN) for result in results], gaps]
    found = [[verdict(result) for result in results], gaps]
    if size.whole_width >= _WIDE:
        found.append([proves(result) for result in results])
    return found


def _texts_beside(y: Spec, width: int, widths: Sequence[int], size: Size) -> list[Spec]:
    left = width + _BETWEEN
    layers = []
    for i, (title, room) in enumerate(zip(("verdict", "gap", "proves"), widths, strict=False)):
        layers += [
            mark("text", {"x": fixed(left), "y": fixed(-8), "text": fixed(title)}, values=[{}],
                 align="left", fontSize=_TEXT, opacity=0.75),
            mark("text", {"x": fixed(left), "y": y, "text": word(f"text{i}")}, align="left",
                 baseline="middle", fontSize=_TEXT, fontWeight="normal" if i else "bold"),
        ]  # fmt: skip
        left += room
    return layers


def _texts_above(y: Spec, width: int, widths: Sequence[int]) -> list[Spec]:
    """Return the texts of a narrow figure: the name at the left, verdict and gap at the right."""
    gap = mark("text", {"x": fixed(width), "y": y, "text": word("text1")}, align="right")
    what = mark("text", {"x": fixed(width - widths[1]), "y": y, "text": word("text0")}, align="right",
                fontWeight="bold")  # fmt: skip
    name = mark("text", {"x": fixed(0), "y": y, "text": word("name")}, align="left")
    look = {"baseline": "middle", "dy": -11, "fontSize": _TEXT}
    return [{**text, "mark": {**text["mark"], **look}} for text in (name, what, gap)]


def _domain(comparison: Comparison, results: Sequence[MethodResult]) -> tuple[float, float]:
    """Return bounds that include all gaps, the margin and, unless they are too wide, the intervals."""
    margin = points(comparison.margin)
    gaps = [points(result.gap_mean or 0.0) for result in results]
    depth = cut_at([max(-gap, 0.0) for gap in gaps])
    kept = [gap for gap in gaps if depth is None or gap >= -depth]
    low, high = min([*kept, -margin, *([] if depth is None else [-depth])]), max([*kept, margin])
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
    columns: Sequence[Sequence[str]],
    domain: tuple[float, float],
) -> list[FigureRow]:
    look = looks([result.method for result in comparison.results])
    values = []
    for i, (result, name) in enumerate(zip(results, names, strict=True)):
        gap, low, high = in_points(result.verdict_gap)
        outside = (gap or 0.0) < domain[0]
        values.append(
            {
                "name": name,
                "gap": gap,
                "method": plain(result.method),
                # What extends beyond the plot ends in an arrow at the edge.
                "low": domain[0] if outside else None if low is None else max(low, domain[0]),
                "high": None if high is None else max(min(high, domain[1]), domain[0]),
                "outside": outside,
                "beyond_left": outside or (low is not None and low < domain[0]),
                "beyond_right": high is not None and high > domain[1],
                "colour": look[result.method].colour,
                "shape": look[result.method].shape,
                "verdict": verdict(result),
                "proves": proves(result),
                "shown": with_bounds(result.verdict_gap, sign=True),
            }
            | {f"text{place}": column[i] for place, column in enumerate(columns)}
        )
    return values


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
        f"Score minus that of {base}, paired by seed; right of the line at 0 is better. Shaded: "
        f"the margin of {points(comparison.margin):.3g} points that equivalence allows."
    ]
    if _lows(results):
        parts.append(
            f"Bars: the intervals that verdicts rest on, over {interval_over(comparison)}: 90 % if "
            "equivalent, otherwise 95 % for all methods together."
        )
        low, high = _domain(comparison, results)
        gaps = [points(result.gap_mean or 0.0) for result in results]
        if any(bound < low for bound in [*gaps, *_lows(results)]) or any(
            bound > high for bound in _highs(results)
        ):
            parts.append("Arrow: the gap or its interval extends further.")
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
