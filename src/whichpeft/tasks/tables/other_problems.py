"""Refuses data for problems that are not supported, by the columns that only they have."""

from __future__ import annotations

import re
from collections.abc import Collection

from whichpeft.errors import DataError
from whichpeft.tasks.labels import is_missing
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.values import column_kind
from whichpeft.units import join_words

_FLAGS = frozenset({"true", "false", "0", "1", "0.0", "1.0"})
_CHOICES = ("choices", "options", "endings", "candidates")
_SEEN = ("image", "images", "video", "videos")
# A prompt and what was written; a label next to them says whether that is good.
_JUDGED = (("prompt", "completion"), ("instruction", "output"), ("instruction", "response"))
_CHOICE = re.compile(
    r"(?P<of>option|choice|ending|candidate|answer|distractor|solution|sol|opt?)[ _]?([a-h]|\d)"
)


def refuse_other_problems(found: TaskTables) -> None:
    """Raise DataError if the columns are those of a problem that is not supported.

    If the source names columns or a prompt, nothing is refused here.
    """
    table, source = found.tables["train"], found.source
    if table.names is None or source.text_columns or source.label_column or source.prompt:
        return
    columns = dict(zip((n.strip().casefold() for n in table.names), table.columns, strict=True))
    kinds = {name: column_kind(values) for name, values in columns.items()}
    talks = "conversations" in kinds.values()
    seen = [
        name
        for name, kind in kinds.items()
        if kind == "images" or (talks and name in _SEEN and any(columns[name]))
    ]
    fault = None
    if {"chosen", "rejected"} <= {name.split("_")[0] for name in columns}:
        fault = (
            "columns chosen and rejected hold preferences, and training on preferences (DPO) is not "
            "supported; to train on the chosen answers alone, give --problem generation, --text-column "
            "for the prompt and --label-column chosen (--text-column chosen alone for conversations)"
        )
    elif (judged := _judged(columns.keys())) and source.problem in (None, "generation"):
        flags = {str(value).strip().casefold() for value in columns["label"] if not is_missing(value)}
        if flags and flags <= _FLAGS:
            fault = (
                f"columns {join_words((*judged, 'label'))} hold preferences, and training on "
                "preferences (KTO) is not supported; keep the rows with a true label and leave the "
                "column out, or give --problem classification to predict the label"
            )
    elif {"question", "answers"} <= columns.keys() and kinds["answers"] in ("objects", "lists"):
        fault = (
            "column 'answers' holds spans of a context (question answering as in SQuAD), which is not "
            "supported; write one answer as text into a column 'answer', next to question and context"
        )
    elif kinds.get("translation") == "objects":
        fault = (
            "column 'translation' holds objects with a text per language; write the two languages into "
            "columns 'source' and 'target', and give --problem generation"
        )
    else:
        choices = [name for name in _CHOICES if kinds.get(name) in ("lists", "objects")]
        apart = _choices_apart(table, source.problem)
        if choices or apart:
            held = f"columns {join_words(apart, most=5)} hold choices, which are"
            if choices:
                held = f"column {choices[0]!r} holds a list of choices per row, which is"
            fault = (
                f"{held} not read from tables; write the choices into an instruction as (A), (B) and so "
                "on, with columns instruction, output and answer, or name a task of "
                "lm-evaluation-harness (lm-eval:NAME)"
            )
    if fault is None and seen and (talks or source.problem == "generation"):
        fault = (
            f"column {seen[0]!r} holds images, which are not read next to text; to leave them out, name "
            "the columns of text with --text-column and --label-column"
        )
    if fault is not None:
        raise DataError(f"{table.location}: {fault}")


def _judged(names: Collection[str]) -> tuple[str, ...]:
    """Return the columns of a prompt and of what was written, if a column says whether that is good."""
    found = (pair for pair in _JUDGED if {*pair, "label"} <= set(names))
    return next(found, ())


def _choices_apart(table: Table, problem: str | None) -> list[str]:
    """Return the columns that hold a choice each, as in MMLU, WinoGrande, PIQA and SWAG."""
    titles = {name.strip().casefold(): name for name in table.names or ()}
    letters = [title for name, title in titles.items() if name in ("a", "b", "c", "d", "e")]
    if problem != "regression" and {"a", "b"} <= set(titles) and {"question", "answer"} & set(titles):
        return letters
    stems: dict[str, list[str]] = {}
    for name, title in titles.items():
        if match := _CHOICE.fullmatch(name):
            stems.setdefault(match["of"], []).append(title)
    return next((found for found in stems.values() if len(found) > 1), [])
