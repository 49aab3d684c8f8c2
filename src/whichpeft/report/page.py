"""The HTML page: one file with table, figures and provenance that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from whichpeft.analysis import Across, Comparison, Row
from whichpeft.report import across_table
from whichpeft.report.across_figures import across_figures
from whichpeft.report.columns import (
    BRIEF,
    FULL,
    METHOD,
    Column,
    about,
    details,
    interval_note,
    problems,
)
from whichpeft.report.cost_table import cost_table
from whichpeft.report.figure import SCREEN, Figure, Size
from whichpeft.report.figures import figures
from whichpeft.report.render import vega_bundle
from whichpeft.report.style import colours, theme
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.report.verdicts import undecided, verdict_notes
from whichpeft.units import show_bytes, show_count

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from whichpeft.records import Setting
    from whichpeft.report.report import Report


def page(report: Report) -> str:
    """Return the whole page as HTML. Nothing in it is loaded from anywhere else."""
    sections = [_section(comparison, place) for place, comparison in enumerate(report.comparisons)]
    across = [_across(one, place) for place, one in enumerate(report.across)]
    specs = {
        figure["id"]: figure.pop("specs")
        for section in (*sections, *across)
        for figure in section["figures"]
    }
    return _template("page.html.j2").render(
        title=plain(report.study.name) or "whichpeft",
        summary=_summary(report),
        sections=sections,
        across=across,
        study_text=report.study_text,
        settings=_settings(report),
        style=_text("page.css"),
        specs=_script_json(specs),
        themes=_script_json({"light": theme(dark=False), "dark": theme(dark=True)}),
        bundle=vega_bundle() if specs else "",
        script=_text("page.js"),
    )


def tables(report: Report) -> str:
    """Return the tables alone as an HTML fragment, for notebooks."""
    sections = [_words(comparison, BRIEF) for comparison in report.comparisons]
    return _template("tables.html.j2").render(sections=sections)


def _section(comparison: Comparison, place: int) -> dict[str, Any]:
    return _words(comparison, FULL) | {
        "figures": _at_all_sizes(lambda size: figures(comparison, size), place),
        "hyperparameters": _hyperparameters(comparison),
        "costs": cost_table(comparison),
    }


def _across(across: Across, place: int) -> dict[str, Any]:
    """Return what the template needs of several tasks at once."""
    colour = colours(across.methods)
    return {
        "heading": across_table.heading(across),
        "columns": across_table.columns(across),
        "rows": [
            {"cells": cells, "colour": colour[method]}
            for method, cells in zip(across.methods, across_table.cells(across), strict=True)
        ],
        "words": [across_table.order_words(across), across_table.probability_words(across)],
        "notes": across_table.remarks(across),
        "figures": _at_all_sizes(lambda size: across_figures(across, size), place),
    }


def _at_all_sizes(draw: Callable[[Size], dict[str, Figure]], place: int) -> list[dict[str, Any]]:
    drawn = [(size.whole_width, draw(size)) for size in SCREEN]
    return [
        _drawn(f"{name}-{place}", [(width, found[name]) for width, found in drawn])
        for name in drawn[0][1]
    ]


def _drawn(name: str, sizes: list[tuple[int, Figure]]) -> dict[str, Any]:
    specs = []
    for width, figure in sizes:
        # What it is made of is checked by the tests; checking it here doubles the time of a page.
        spec = figure.chart.to_dict(validate=False)
        # The page brings its own, light or dark.
        spec.pop("config", None)
        specs.append({"width": width, "spec": spec})
    figure = sizes[0][1]
    return {"id": name, "title": figure.title, "caption": figure.caption, "specs": specs}


def _words(comparison: Comparison, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Return what the templates need of a comparison: text, no numbers left to format."""
    colour = colours([row["method"] for row in comparison.rows])
    return {
        "heading": f"{plain(comparison.backbone)} on {plain(comparison.task)}",
        "about": about(comparison),
        "details": details(comparison),
        "columns": columns,
        "rows": [
            {
                "cells": [_cell(comparison, column, row) for column in columns],
                "status": row["status"],
                "colour": colour[row["method"]],
            }
            for row in comparison.rows
        ],
        "intervals": [interval_note(comparison), *verdict_notes(comparison)],
        "undecided": undecided(comparison),
        "examples": ", ".join(
            f"{show_count(count)} {split}" for split, count in comparison.examples.items()
        ),
        "problems": problems(comparison),
        "notes": [plain(note) for note in comparison.notes],
    }


def _cell(comparison: Comparison, column: Column, row: Row) -> str:
    text = column.show(row)
    quartiles = comparison.step_quartiles.get(row["method"])
    if column.title == "step ms" and column in FULL and quartiles and text != UNKNOWN:
        return f"{text} [{quartiles[0]:.3g}, {quartiles[1]:.3g}]"
    return text


def _hyperparameters(comparison: Comparison) -> list[tuple[str, str]]:
    return [
        (
            METHOD.show(row),
            plain(", ".join(f"{key}={value}" for key, value in row["hyperparameters"].items())),
        )
        for row in comparison.rows
        if row["hyperparameters"]
    ]


def _summary(report: Report) -> str:
    """Say in one paragraph what was compared and under what budget."""
    study, budget = report.study, report.study.budget
    seeds = len(study.seeds)
    parts = [
        f"{len(study.methods)} method{_s(len(study.methods))} on {seeds} seed{_s(seeds)} each, every "
        f"one with the same budget: {budget.epochs} epoch{_s(budget.epochs)} in batches of "
        f"{budget.batch_size}"
    ]
    parts += study.savings
    if budget.max_train is not None:
        parts.append(f"at most {show_count(budget.max_train)} training examples")
    if budget.early_stopping is not None:
        epochs = budget.early_stopping
        parts.append(f"stopped after {epochs} epoch{_s(epochs)} without a better validation score")
    tuning = (
        f"{budget.tuning_trials} tuning trials a method"
        if budget.tuning_trials
        else "each method at its own default hyperparameters"
    )
    return plain(
        f"{', '.join([*parts, tuning])}. The checkpoint with the best validation score is tested "
        "once. Time, memory and speed were measured apart, in a profile of each method alone on "
        "the machine. Failed and refused methods stay in the table."
    )


def _settings(report: Report) -> list[dict[str, str]]:
    """Describe every distinct setting that the records come from."""
    found: dict[str, dict[str, str]] = {}
    for record in report.records:
        words = _setting_words(record.setting)
        if words:
            found.setdefault(json.dumps(words), words)
    return list(found.values())


def _setting_words(setting: Setting) -> dict[str, str]:
    hardware = {
        key: show_bytes(value) if key.endswith("_bytes") and isinstance(value, (int, float)) else value
        for key, value in setting.hardware.items()
        if value is not None
    }
    words = {
        "hardware": ", ".join(
            f"{key.removesuffix('_bytes')}: {value}" for key, value in hardware.items()
        ),
        "device": setting.device,
        "precision": setting.precision,
        "versions": ", ".join(f"{name} {version}" for name, version in setting.versions.items()),
    }
    return {key: plain(value) for key, value in words.items() if value}


def _script_json(value: Any) -> str:
    """Write JSON that can stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _text(name: str) -> str:
    return files("whichpeft.report").joinpath(name).read_text(encoding="utf-8")


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
