"""Score against trained parameters, one line per method that was run at several sizes."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison
from whichpeft.analysis.sweeps import Sweep, sweeps
from whichpeft.report.figures.figure import Figure, Size, make_figure
from whichpeft.report.figures.figure_data import in_points, score_columns
from whichpeft.report.figures.scales import Axes, Point, Trail
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.style import looks
from whichpeft.report.tables.notes import about, interval_over
from whichpeft.report.text import plain, tuned_note, with_bounds
from whichpeft.units import points, show_count

_WIDE = 4.0  # counts that differ by more are drawn on a log axis


def sweep_figures(comparison: Comparison, size: Size) -> dict[str, Figure]:
    """Return the size sweep by file name; empty if no method has two sizes."""
    found = sweeps(comparison)
    if not found:
        return {}
    # A line is one method at several sizes: it has the look of the method without its size.
    look = looks([sweep.name for sweep in found])
    dots, trails = [], []
    for sweep in found:
        own = _dots(sweep, look[sweep.name].colour, look[sweep.name].shape)
        dots += own
        corners = [(dot.x, dot.y) for dot in own]
        trails.append(Trail(corners=corners, colour=look[sweep.name].colour, dash=look[sweep.name].dash))
    counts = [dot.x for dot in dots]
    axes = Axes(
        x_title="trained parameters, without the head",
        y_title=f"{plain(comparison.metric or 'score')}, points",
        width=size.width,
        height=size.height,
        log_x=max(counts) > _WIDE * min(counts),
        x_format="~s",
    )
    base = comparison.baseline_result
    line = None
    if base is not None and base.score_mean is not None:
        line = points(base.score_mean), f"{plain(base.method)} {points(base.score_mean):.1f}"
    figure = make_figure(
        scatter(dots, axes, line=line, trails=trails),
        title="Score against size",
        about=about(comparison),
        caption=_caption(comparison, found, dots),
        rows=[
            {"sweep": plain(sweep.name), "hyperparameter": sweep.hyperparameter, "size": value}
            | score_columns(result)
            | {"adapter_parameters": result.adapter_parameters}
            for sweep in found
            for value, result in zip(sweep.sizes, sweep.results, strict=True)
        ],
    )
    return {"size-sweep": figure}


def _dots(sweep: Sweep, colour: str, shape: str) -> list[Point]:
    return [
        Point(
            # The largest point has the method's name, the others only their size.
            name=_named(sweep, value, whole=i == len(sweep.results) - 1),
            method=plain(result.method),
            x=count,
            y=points(score),
            low=in_points(result.score).low,
            high=in_points(result.score).high,
            colour=colour,
            shape=shape,
            facts=(
                ("score", with_bounds(result.score)),
                ("trained", show_count(count)),
            ),
        )
        for i, (value, result, count, score) in enumerate(
            zip(sweep.sizes, sweep.results, sweep.parameters, sweep.scores, strict=True)
        )
    ]


def _named(sweep: Sweep, value: float, *, whole: bool) -> str:
    size = f"{sweep.hyperparameter}={value:g}" if whole else f"{value:g}"
    return plain(f"{sweep.name} {size}" if whole else size)


def _caption(comparison: Comparison, found: Sequence[Sweep], dots: Sequence[Point]) -> str:
    parts = ["Next to each point: its size; the largest has the full name."]
    if any(dot.low is not None for dot in dots):
        parts.append(f"Bars: 95 % interval over {interval_over(comparison)}.")
    margin = f"{points(comparison.margin):.3g} points"
    enough = "; ".join(
        f"{sweep.name} {sweep.hyperparameter}={sweep.sizes[sweep.enough(comparison.margin)]:g}"
        for sweep in found
    )
    parts.append(f"Smallest size within {margin} of the method's best observed score: {plain(enough)}.")
    return " ".join(parts) + tuned_note(comparison)
