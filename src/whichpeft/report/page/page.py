"""The HTML page: one file with answer, figures, tables and provenance that needs no network."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from whichpeft.analysis import AcrossTasks, Comparison
from whichpeft.analysis.across_backbones import AcrossBackbones
from whichpeft.analysis.time_parts import explain_time
from whichpeft.report.figure_set import figures
from whichpeft.report.figures.across_backbones import backbone_figures
from whichpeft.report.figures.across_tasks import across_figures
from whichpeft.report.figures.render import vega_bundle
from whichpeft.report.figures.style import looks, theme
from whichpeft.report.page.answers import answers_section
from whichpeft.report.page.figures import screen_figures
from whichpeft.report.page.lead import leads
from whichpeft.report.page.looks import hues_css, legend, symbol
from whichpeft.report.page.provenance import examples, provenance
from whichpeft.report.page.race import race_section
from whichpeft.report.page.reading import reading_section
from whichpeft.report.page.table import measurements, short_table
from whichpeft.report.tables import across_tasks as across_table
from whichpeft.report.tables.columns import METHOD
from whichpeft.report.tables.notes import about, details, interval_note, problems, pscp_note
from whichpeft.report.text import plain
from whichpeft.report.verdict_text import undecided, verdict_notes
from whichpeft.units import join_words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from whichpeft.report.contents import ReportContents


_STYLES = ("page_figures", "page", "page_print")


def page(report: ReportContents, published: str | None = None) -> str:
    """Return the whole page as HTML, which loads nothing from anywhere else.

    Parameters
    ----------
    report
        What the page shows.
    published
        A published table; one more figure per comparison overlays it with the comparison's results.
    """
    first, rest = leads(report.answers)
    # The question names backbone and task; a heading repeats them only if there are several.
    alone = "All methods" if report.race is None else "The finalists"
    short = alone if len(report.comparisons) == 1 else None
    sections = [
        _section(comparison, place, published, short=short, chosen=answer.method)
        | {"answers": answers_section(report.answered[place], comparison)}
        for place, (comparison, answer) in enumerate(
            zip(report.comparisons, report.answers, strict=False)
        )
    ]
    across = [_across(one, place) for place, one in enumerate(report.across)]
    backbones = [_backbones(over, place) for place, over in enumerate(report.backbones)]
    race = [] if report.course is None else [race_section(report.course, report.answers[0].method)]
    specs = {
        view.id: view.specs
        for section in (*race, *across, *backbones, *sections)
        for one in section["figures"]
        for view in one.views
    }
    return fill(
        "page.html.j2",
        title=plain(report.study.name) or "whichpeft",
        first=first,
        rest=rest,
        sections=sections,
        several=len(sections) > 1,
        race=race,
        across=across,
        backbones=backbones,
        reading=reading_section(report.reading),
        provenance=provenance(report),
        style="\n".join([hues_css(), *(read_text(f"{name}.css") for name in _STYLES)]),
        specs=_script_json(specs),
        theme=_script_json(theme(page=True)),
        bundle=vega_bundle() if specs else "",
        scripts=[
            read_text(f"{name}.js") for name in ("page", "page_state", "page_table", "page_figures")
        ],
    )


def waiting_page(title: str) -> str:
    """Return a page for a run without results; its title says why there are none."""
    return fill("waiting.html.j2", title=plain(title), style=read_text("page.css"))


def tables(report: ReportContents) -> str:
    """Return the tables as an HTML fragment for notebooks."""
    sections = [_words(comparison) | short_table(comparison) for comparison in report.comparisons]
    return fill("tables.html.j2", sections=sections)


def _section(
    comparison: Comparison, place: int, published: str | None, *, short: str | None, chosen: str | None
) -> dict[str, Any]:
    words = _words(comparison)
    return words | {
        "id": f"comparison-{place}",
        "short": short or words["heading"],
        "examples": examples(comparison),
        **screen_figures(lambda size: figures(comparison, size, published), str(place)),
        "legend": legend(
            [result.method for result in comparison.answers],
            [result.method for result in comparison.results],
        ),
        "table": measurements(comparison, chosen),
        "hyperparameters": _hyperparameters(comparison),
    }


def _across(across: AcrossTasks, place: int) -> dict[str, Any]:
    """Return the template variables of the section over several tasks."""
    look = looks(across.methods)
    return {
        "id": f"across-{place}",
        "heading": across_table.heading(across),
        "short": f"{plain(across.backbone)} over all tasks",
        "columns": across_table.columns(across),
        "rows": [
            {"cells": cells, "name": plain(method), "symbol": symbol(look[method])}
            for method, cells in zip(across.methods, across_table.cells(across), strict=True)
        ],
        "words": [across_table.order_words(across), across_table.probability_words(across)],
        "notes": across_table.remarks(across),
        **screen_figures(lambda size: across_figures(across, size), f"across-{place}"),
        "legend": legend(across.methods),
    }


def _backbones(over: AcrossBackbones, place: int) -> dict[str, Any]:
    """Return the template variables of the section over several backbones."""
    return {
        "id": f"backbones-{place}",
        "heading": f"{plain(over.task)} by size of the backbone",
        "short": f"{plain(over.task)} by size",
        **screen_figures(lambda size: backbone_figures(over, size), f"backbones-{place}"),
        "legend": legend(over.methods),
    }


def _words(comparison: Comparison) -> dict[str, object]:
    """Return the texts around a comparison's table."""
    return {
        "heading": f"{plain(comparison.backbone)} on {plain(comparison.task)}",
        "about": about(comparison),
        "details": details(comparison),
        "intervals": [
            interval_note(comparison),
            *verdict_notes(comparison),
            *pscp_note(comparison),
        ],
        "undecided": undecided(comparison),
        "problems": _by_reason(problems(comparison)),
        "times": [
            plain(why)
            for result in comparison.answers
            if (why := explain_time(result, comparison)) is not None
        ],
        "notes": [plain(note) for note in comparison.notes],
    }


def _by_reason(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Join the methods that have the same status for the same reason."""
    methods: dict[tuple[str, str], list[str]] = {}
    for method, status, reason in found:
        methods.setdefault((status, reason), []).append(method)
    return [(join_words(names), status, reason) for (status, reason), names in methods.items()]


def _hyperparameters(comparison: Comparison) -> list[tuple[str, str]]:
    return [
        (
            METHOD.show(result),
            plain(", ".join(f"{key}={value}" for key, value in result.hyperparameters.items())),
        )
        for result in comparison.results
        if result.hyperparameters
    ]


def _script_json(value: object) -> str:
    """Write JSON for a script element; no text in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def read_text(name: str) -> str:
    """Return the text of a file that belongs to the page."""
    return files("whichpeft.report.page").joinpath(name).read_text(encoding="utf-8")


def fill(template: str, **values: Any) -> str:
    """Return a template with its variables filled in; texts are escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    found = Environment(
        loader=FunctionLoader(read_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["options"] = _with_options
    return found


def _with_options(text: str) -> Markup:
    """Return a text in which options, such as ``--epochs 6``, are code: no line breaks in them."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"--[a-z][a-z-]*(?: \d+)?", r"<code>\g<0></code>", str(escape(text))))
