"""The table as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence

from whichpeft.analysis import KEYS, Comparison
from whichpeft.analysis.answers.summary import ExampleAnswers
from whichpeft.analysis.method_result import PSCP_KEYS, Row
from whichpeft.report.tables.columns import brief
from whichpeft.report.tables.language import extra_score_lines
from whichpeft.report.tables.layout import Layout
from whichpeft.report.tables.notes import about, interval_note, problems, pscp_note
from whichpeft.report.verdict_text import undecided, verdict_notes


def as_json(rows: Sequence[Row]) -> str:
    """Write rows as a JSON list of objects; unknown values are null, never NaN."""
    return json.dumps([{key: strict(row[key]) for key in keys(rows)} for row in rows], indent=1)


def answers_as_json(found: Sequence[ExampleAnswers]) -> str:
    """Write how methods answered the test examples as a JSON list, an object per backbone and task."""
    return json.dumps([strict(one.as_values()) for one in found], indent=1)


def as_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; unknown values are empty, lists and mappings are JSON."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(keys(rows))
    for row in rows:
        writer.writerow([cell(row[key]) for key in keys(rows)])
    return buffer.getvalue()


def keys(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the documented keys, and those of PSCP if it was requested."""
    return (*KEYS, *(key for key in PSCP_KEYS if rows and key in rows[0]))


def as_markdown(
    comparisons: Sequence[Comparison], notes: Sequence[str] = (), layout: Layout | None = None
) -> str:
    """Write one Markdown table per backbone and task, followed by failures and notes.

    `notes` are those of the whole study.
    """
    layout = layout or Layout()
    layout.check(comparisons)
    blocks = []
    for comparison in comparisons:
        columns = layout.columns_of(comparison, brief(comparison))
        results = layout.results_of(comparison)
        lines = [
            f"**{markdown(about(comparison))}**",
            "",
            pipes([column.title for column in columns]),
            pipes([":--" if column.words else "--:" for column in columns]),
            *(pipes([markdown(column.show(result)) for column in columns]) for result in results),
            "",
            *(f"{markdown(note)}." for note in _notes(comparison)),
        ]
        beneath = [
            *(f"- {markdown(line)}" for line in extra_score_lines(comparison)),
            *(f"- {markdown(m)}, undecided: {needed}" for m, needed in undecided(comparison)),
            *(f"- {markdown(m)}, {status}: {markdown(why)}" for m, status, why in problems(comparison)),
            *(f"- {markdown(note)}" for note in comparison.notes),
        ]
        blocks.append("\n".join([*lines, *([""] if beneath else []), *beneath]))
    if notes:
        blocks.append("\n".join(f"- {markdown(note)}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def _notes(comparison: Comparison) -> list[str]:
    return [interval_note(comparison), *verdict_notes(comparison), *pscp_note(comparison)]


def markdown(text: str) -> str:
    """Escape text that Markdown, or HTML in it, would read as markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + char if char in "\\`*_[]|~#!" else char for char in text)


def pipes(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def strict(value: object) -> object:
    """Return a value that strict JSON can represent; NaN and infinities become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): strict(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def cell(value: object) -> str:
    """Return a value as a cell of a CSV file."""
    value = strict(value)
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)
