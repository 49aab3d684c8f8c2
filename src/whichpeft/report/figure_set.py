"""The figures of a report: one definition for the page and for print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.figures.across_backbones import backbone_figures
from whichpeft.report.figures.across_tasks import across_figures
from whichpeft.report.figures.costs import cost_figures
from whichpeft.report.figures.efficiency import efficiency
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.figure_data import in_points, score_columns
from whichpeft.report.figures.forest import gap_figures
from whichpeft.report.figures.frontier import frontiers
from whichpeft.report.figures.learning_curves import learning_figures
from whichpeft.report.figures.render import slugs
from whichpeft.report.figures.scales import Axes, Point
from whichpeft.report.figures.scatter import scatter
from whichpeft.report.figures.size_sweep import sweep_figures
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.tuning import tuning_figures
from whichpeft.report.published.overlay import overlay_published
from whichpeft.report.race.course import Course
from whichpeft.report.race.ladder import ladder
from whichpeft.report.race.spending_figure import spending_figure
from whichpeft.report.tables.notes import about, interval_over
from whichpeft.report.text import UNKNOWN, plain, tuned_note, with_bounds
from whichpeft.units import points, show_percent, show_seconds

if TYPE_CHECKING:
    from whichpeft.report.contents import ReportContents


class _Measure(NamedTuple):
    """A measurement against which the score is drawn."""

    key: str
    """Its column in the figure's data."""

    words: str
    """Its name in a sentence."""

    read: Callable[[MethodResult], float | None]
    """Returns it from a result."""


_SHARE = _Measure("trainable_percent", "trainable share", lambda result: result.trainable_percent)
_TIME = _Measure("train_seconds", "training time", lambda result: result.train_seconds)


def all_figures(report: ReportContents, size: Size, published: str | None = None) -> dict[str, Figure]:
    """Return all figures of a report by file name.

    File names include backbone and task if there are several comparisons.

    Parameters
    ----------
    report
        What the figures show.
    size
        The size of the figures.
    published
        A published table, as for `figures`.
    """
    several = len(report.comparisons) > 1
    names = slugs([f"{comparison.backbone}-{comparison.task}" for comparison in report.comparisons])
    parts = [
        (name if several else "", figures(comparison, size, published))
        for name, comparison in zip(names, report.comparisons, strict=True)
    ]
    names = slugs([across.backbone for across in report.across])
    parts += [
        (f"{name}-all-tasks", across_figures(across, size))
        for name, across in zip(names, report.across, strict=True)
    ]
    names = slugs([over.task for over in report.backbones])
    parts += [
        (f"{name}-all-backbones", backbone_figures(over, size))
        for name, over in zip(names, report.backbones, strict=True)
    ]
    if report.course is not None:
        parts.insert(0, ("", race_figures(report.course, size)))
    return {
        f"{name}-{stem}" if name else stem: figure
        for name, found in parts
        for stem, figure in found.items()
    }


def race_figures(course: Course, size: Size) -> dict[str, Figure]:
    """Return the figures of a race by file name."""
    return {"race-ladder": ladder(course, size), "race-spending": spending_figure(course, size)}


def figures(comparison: Comparison, size: Size, published: str | None = None) -> dict[str, Figure]:
    """Return the figures of a comparison by file name, the most informative first.

    Parameters
    ----------
    comparison
        The comparison to draw.
    size
        The size of the figures.
    published
        A published table; one more figure overlays it with the comparison's results.
    """
    overlay = (
        {}
        if published is None
        else {f"beside-{published}": overlay_published(comparison, published, size)}
    )
    return {
        **frontiers(comparison, size),
        **gap_figures(comparison, size),
        "score-against-share": score_against_share(comparison, size),
        "score-against-time": score_against_time(comparison, size),
        "efficiency": efficiency(comparison, size),
        **sweep_figures(comparison, size),
        **learning_figures(comparison, size),
        **cost_figures(comparison, size),
        **tuning_figures(comparison, size),
        **overlay,
    }


def score_against_share(comparison: Comparison, size: Size) -> Figure:
    """Draw score against trainable share, on a log axis, with a line for the baseline.

    Point size is training time. A method that trains nothing has no position on a log axis, so the
    caption lists it. A baseline that trains everything is drawn as the line alone.
    """
    base = comparison.baseline_result
    drawn = [
        result
        for result in comparison.answers
        if result.score_mean is not None
        and (result.trainable_percent or 0) > 0
        and not (result is base and (result.trainable_percent or 0) > 99)
    ]
    axes = Axes(
        x_title="trainable parameters, % of the adapted model",
        y_title=_score_title(comparison),
        width=size.width,
        height=size.height,
        log_x=True,
        size_title="train time, s",
    )
    line = None
    if base is not None and base.score_mean is not None:
        line = points(base.score_mean), f"{plain(base.method)} {points(base.score_mean):.1f}"
    return _scatter_figure(
        comparison,
        size,
        axes,
        drawn,
        x=_SHARE,
        point_size=_TIME,
        line=line,
        title="Score against trainable share",
        reading=f"Point size: train time.{f' Dashed: {plain(comparison.baseline)}.' if line else ''}",
    )


def score_against_time(comparison: Comparison, size: Size) -> Figure:
    """Draw score against training time; point size is the trainable share."""
    drawn = [
        result
        for result in comparison.answers
        if result.score_mean is not None and (result.train_seconds or 0) > 0
    ]
    axes = Axes(
        x_title="train time of one trial, s",
        y_title=_score_title(comparison),
        width=size.width,
        height=size.height,
        zero_x=True,
        size_title="trainable parameters, %",
        # Shares span decades: drawn in proportion, all methods but full fine-tuning would look alike.
        size_exponent=0.35,
    )
    return _scatter_figure(
        comparison,
        size,
        axes,
        drawn,
        x=_TIME,
        point_size=_SHARE,
        line=None,
        title="Score against training time",
        reading="Point size: trainable share.",
    )


def _scatter_figure(
    comparison: Comparison,
    size: Size,
    axes: Axes,
    drawn: Sequence[MethodResult],
    *,
    x: _Measure,
    point_size: _Measure,
    line: tuple[float, str] | None,
    title: str,
    reading: str,
) -> Figure:
    look = looks([result.method for result in comparison.results])
    dots = [
        Point(
            name=plain(result.method),
            x=x.read(result) or 0.0,
            y=points(result.score_mean or 0.0),
            low=in_points(result.score).low,
            high=in_points(result.score).high,
            size=point_size.read(result),
            colour=look[result.method].colour,
            shape=look[result.method].shape,
            facts=(
                ("score", with_bounds(result.score)),
                ("trainable", _shown(result.trainable_percent, show_percent)),
                ("train time", _shown(result.train_seconds, show_seconds)),
            ),
        )
        for result in drawn
    ]
    if not dots:
        why = f"no method that trains has both a score and its {x.words}"
        return empty_figure(why, size, title=title, about=about(comparison))
    spec = scatter(dots, axes, line=line)
    left_out = _left_out(comparison, drawn, x, line is not None)
    barred = any(dot.low is not None for dot in dots)
    bars = f" Bars: 95 % interval over {interval_over(comparison)}." if barred else ""
    hollow = (
        " Hollow: the value shown as size was not measured."
        if any(dot.size is None for dot in dots)
        else ""
    )
    caption = f"{reading}{hollow}{bars}{tuned_note(comparison)}{left_out}"
    table = [
        score_columns(result) | {measure.key: measure.read(result) for measure in (x, point_size)}
        for result in drawn
    ]
    return make_figure(spec, size, title=title, about=about(comparison), caption=caption, rows=table)


def _left_out(comparison: Comparison, drawn: Sequence[MethodResult], x: _Measure, has_line: bool) -> str:
    """List the methods that are not drawn and why, with their scores if known."""
    idle: list[str] = []
    unmeasured: list[str] = []
    for result in comparison.answers:
        if result in drawn or (has_line and result is comparison.baseline_result):
            continue
        name = plain(result.method)
        if result.score_mean is not None:
            name += f" {points(result.score_mean):.1f}"
        (idle if x.read(result) == 0 and result.score_mean is not None else unmeasured).append(name)
    text = f" Not drawn, because they train nothing: {', '.join(idle)}." if idle else ""
    return text + (f" Not drawn, because not measured: {', '.join(unmeasured)}." if unmeasured else "")


def _score_title(comparison: Comparison) -> str:
    return f"{plain(comparison.metric or 'score')}, points"


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return UNKNOWN if value is None else show(value)
