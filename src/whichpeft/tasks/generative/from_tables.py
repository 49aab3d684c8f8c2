"""Builds tasks for language models from tables."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.generative.answers import GSM8K_MARK
from whichpeft.tasks.generative.conversations import conversation_columns
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.rows import (
    INSTRUCTION,
    PAIRS,
    ReadRows,
    folded_names,
    read_rows,
)
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.labels import MOST_NUMERIC_CLASSES, number
from whichpeft.tasks.splits import choose_evaluation_splits
from whichpeft.tasks.tables.column_contents import may_be_label
from whichpeft.tasks.tables.columns import LABEL_NAMES
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.values import column_kind

# Columns that only data for language models have, whatever else is in the table.
_SURE = (("prompt", "completion"), (INSTRUCTION, "output"), (INSTRUCTION, "response"))
_SUMMARIES = ("summary", "highlights")
_WORDS_OF_A_SENTENCE = 3


def is_generative(found: TaskTables) -> bool:
    """Whether a source, or the columns of its data, call for a language model."""
    source, table = found.source, found.tables["train"]
    if source.problem is not None:
        return source.problem == "generation"
    if source.prompt or source.verbaliser:
        return True
    talks = conversation_columns(table)
    if source.text_columns or source.label_column:
        return not source.label_column and any(table.find(c) in talks for c in source.text_columns)
    names = folded_names(table)
    return (
        bool(talks)
        or any(set(pair) <= set(names) for pair in _SURE)
        or any(set(pair) <= set(names) and _answers_are_texts(table, pair[1]) for pair in PAIRS)
    )


def _answers_are_texts(table: Table, column: str) -> bool:
    """Whether a column that may be a label holds answers that only a language model can write."""
    names = folded_names(table)
    if any(name in names and name not in (column, "answer", "target") for name in LABEL_NAMES):
        return False
    if any(column_kind(values) == "images" for values in table.columns):
        return False
    if column in _SUMMARIES and any(may_be_label(v) == "few" and len(set(v)) > 1 for v in table.columns):
        return False  # the title of a review, next to its rating
    values = [value for value in table.columns[names.index(column)] if isinstance(value, str)]
    if any(GSM8K_MARK in value for value in values):
        return True
    sentences = sum(len(value.split()) >= _WORDS_OF_A_SENTENCE for value in values)
    distinct = len(set(values))
    if sentences > 0.5 * len(values):
        return distinct > min(MOST_NUMERIC_CLASSES, len(values) / 2)
    # Too many for classes.
    return distinct > max(MOST_NUMERIC_CLASSES, len(values) / 2) and any(
        number(value) is None for value in values
    )


def generative_from_tables(found: TaskTables) -> GenerativeTask:
    """Build a task for language models from tables by role. Raises DataError."""
    read = {role: read_rows(table, found.source) for role, table in found.tables.items()}
    notes = [note for table in found.tables.values() for note in table.notes]
    for role, rows in read.items():
        _check_same_columns(found.tables["train"], read["train"], found.tables[role], rows)
        notes += rows.notes
    if "test" in read and not read["test"].examples and "test" not in found.given:
        del read["test"]
        notes.append(f"{found.tables['test'].location} is not used, because it has no completions")
    examples = {role: rows.examples for role, rows in read.items()}
    validation, test = choose_evaluation_splits(
        examples.get("validation"), examples.get("dev"), examples.get("test")
    )
    task = generative_task(
        found.name,
        train=examples["train"],
        validation=validation,
        test=test,
        metric=found.source.metric,
        held_out=read_texts(found.source.held_out),
        notes=notes,
    )
    return dataclasses.replace(task, columns=read["train"].columns)


def _check_same_columns(train: Table, read: ReadRows, table: Table, rows: ReadRows) -> None:
    """Raise DataError if two tables were read from different columns."""
    if train.names is None or table.names is None:
        return
    ours, theirs = (
        {(one.label or "").casefold(), *(name.casefold() for name in one.text)}
        for one in (read.columns, rows.columns)
    )
    if not (ours <= theirs or theirs <= ours):
        raise DataError(
            f"{table.location}: would be read from {', '.join(sorted(theirs - {''}))}, but "
            f"{train.location} from {', '.join(sorted(ours - {''}))}; give both the same columns, or "
            "name them with --text-column and --label-column"
        )


def read_texts(file: str | None) -> tuple[str, ...]:
    """Read texts separated by blank lines. Raises DataError if the file contains no text."""
    if file is None:
        return ()
    path = Path(file).expanduser()
    try:
        whole = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"held_out: {path}: cannot be read as text: {error}") from None
    texts = tuple(text.strip() for text in re.split(r"\n\s*\n", whole) if text.strip())
    if not texts:
        raise DataError(f"held_out: {path}: contains no text")
    return texts
