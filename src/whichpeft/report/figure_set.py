"""The figures of a report: one definition for the page and for print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.analysis import Comparison
from whichpeft.report.figures.across_backbones import backbone_figures
from whichpeft.report.figures.across_tasks import across_figures
from whichpeft.report.figures.costs import cost_figures
from whichpeft.report.figures.efficiency import efficiency
from whichpeft.report.figures.figure import COLUMN, PRINT, Figure, Size
from whichpeft.report.figures.forest import gap_figures
from whichpeft.report.figures.frontier import frontiers
from whichpeft.report.figures.learning_curves import learning_figures
from whichpeft.report.figures.render import save, save_captions, slugs
from whichpeft.report.figures.size_sweep import sweep_figures
from whichpeft.report.figures.tuning import tuning_figures
from whichpeft.report.published.overlay import overlay_published
from whichpeft.report.race.course import Course
from whichpeft.report.race.ladder import ladder
from whichpeft.report.race.spending_figure import spending_figure

if TYPE_CHECKING:
    from whichpeft.report.contents import ReportContents


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


def write_all(report: ReportContents, folder: Path, published: str | None = None) -> list[Path]:
    """Write all figures for a page's width and, in `column`, for a column, and return the paths."""
    written = []
    for size, place in ((PRINT, folder), (COLUMN, folder / "column")):
        found = all_figures(report, size, published)
        for stem, figure in found.items():
            written += save(figure, place, stem)
        written.append(save_captions(found, place))
    return written


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
        **sweep_figures(comparison, size),
        **learning_figures(comparison, size),
        **cost_figures(comparison, size),
        **tuning_figures(comparison, size),
        **overlay,
        "efficiency": efficiency(comparison, size),
    }
