"""The figures of published results, grouped by table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from whichpeft import reference
from whichpeft.errors import RequestError
from whichpeft.report.figures.figure import PRINT, Figure, Size
from whichpeft.report.figures.render import save, save_captions
from whichpeft.report.published import suite_figures as suites
from whichpeft.report.published import survey_figures as survey

_FIGURES: Mapping[str, Mapping[str, Callable[[Size], Figure]]] = {
    "commonsense": {
        "commonsense-by-method": survey.commonsense_by_method,
        "commonsense-against-share": survey.commonsense_against_share,
    },
    "arithmetic": {
        "arithmetic-by-method": survey.arithmetic_by_method,
        "arithmetic-by-task": survey.arithmetic_by_task,
    },
    "domains": {
        "retention-by-domain": survey.retention_by_domain,
        "retention-against-share": survey.retention_against_share,
    },
    "hf-metamathqa": {
        f"hf-metamathqa-against-{cost}": partial(suites.metamathqa_against, cost)
        for cost in suites.COSTS
    },
    "peft-bench": {"peft-bench-by-data-set": suites.peft_bench_by_data_set},
    "peft-bench-cost": {
        "peft-bench-against-trainable": suites.peft_bench_against_trainable,
        "peft-bench-pscp": suites.peft_bench_pscp,
    },
}


def published_figures(name: str | None = None, size: Size = PRINT) -> dict[str, Figure]:
    """Return the figures of one published table, or of all tables, by file name.

    Raises
    ------
    RequestError
        If the table is unknown or has no figures.
    """
    known = name if name is None else reference.canonical(name)
    if known is not None and known not in _FIGURES:
        raise RequestError(f"{known} has no figures; these tables have some: {', '.join(_FIGURES)}")
    chosen = _FIGURES.values() if known is None else [_FIGURES[known]]
    return {stem: draw(size) for figures in chosen for stem, draw in figures.items()}


def write_published(folder: Path, name: str | None = None) -> list[Path]:
    """Write the figures of one published table, or of all tables, as PNG, SVG and PDF, with captions."""
    written = []
    figures = published_figures(name)
    for stem, figure in figures.items():
        written += save(figure, folder, stem)
    return [*written, save_captions(figures, folder)]
