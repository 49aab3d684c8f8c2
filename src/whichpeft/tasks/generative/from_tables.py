"""Builds tasks for language models from tables: rows become prompts with completions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks.generative.answers import GSM8K_MARK
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.labels import class_name, is_missing
from whichpeft.tasks.splits import choose_evaluation_splits
from whichpeft.tasks.tables.table import Table, TaskTables

Row = Mapping[str, str]
# Names that instruction data give to the columns of prompts and completions.
_PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("input", "output"),
    ("source", "target"),
)
_INSTRUCTION, _INPUT, _OUTPUT, _ANSWER = "instruction", "input", "output", "answer"
_TEXT = ("text", "story", "content", "document")
_PLACE = re.compile(r"\{(\w[\w ]*)\}")
# The list of possible answers at the end of an instruction.
_FORMAT = re.compile(r"answer format:\s*([^\n]+?)\s*$", re.IGNORECASE)
_LETTERED = re.compile(r"\(([A-Z])\)")


def is_generative(found: TaskTables) -> bool:
    """Whether a source, or the columns of its data, call for a language model."""
    source, names = found.source, _folded(found.tables["train"])
    if source.problem is not None:
        return source.problem == "generation"
    if source.prompt or source.verbaliser:
        return True
    given = source.text_columns or source.label_column
    return not given and (
        {_INSTRUCTION, _OUTPUT} <= set(names) or {"prompt", "completion"} <= set(names)
    )


def generative_from_tables(found: TaskTables) -> GenerativeTask:
    """Build a task for language models from tables by role. Raises DataError."""
    read = {role: prompted_rows(table, found.source) for role, table in found.tables.items()}
    notes = [note for table in found.tables.values() for note in table.notes]
    notes += [
        f"{found.tables[role].location}: {len(found.tables[role]) - len(rows)} rows without a "
        "completion were skipped"
        for role, rows in read.items()
        if len(rows) < len(found.tables[role])
    ]
    validation, test = choose_evaluation_splits(
        read.get("validation"), read.get("dev"), read.get("test")
    )
    return generative_task(
        found.name,
        train=read["train"],
        validation=validation,
        test=test,
        metric=found.source.metric,
        held_out=read_texts(found.source.held_out),
        notes=notes,
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


def prompted_rows(table: Table, source: TaskSource) -> list[Prompted]:
    """Read each row of a table as an example; skip rows without a completion.

    If the source has a template, it gives the prompt, and the label column gives the completion.
    Otherwise columns are found by their customary names in instruction data. Raises DataError, which
    names the column.
    """
    if table.names is None and (source.prompt or not source.label_column):
        raise DataError(
            f"{table.location}: has no header, so its columns have no names; give --text-column and "
            "--label-column by index, or add a header"
        )
    make = _reader(table, source)
    rows = (
        make(dict(zip(_folded(table), map(_plain, values), strict=True)))
        for values in zip(*table.columns, strict=True)
    )
    return [example for example in rows if example.completion.strip()]


def _reader(table: Table, source: TaskSource) -> Callable[[Row], Prompted]:
    """Return a function from a row, as text by lower-case column names, to an example."""
    names = _folded(table)
    label = names[table.index(source.label_column)] if source.label_column else None
    if source.prompt:
        _check_places(table, source.prompt)
        prompt = source.prompt
        target = label or _first_of(table, ("completion", "output", "answer", "label"))
        return lambda row: _verbalised(_filled(prompt, row), row[target], source.verbaliser, table)
    if source.text_columns:
        texts = [names[table.index(column)] for column in source.text_columns]
        if label is None:
            return lambda row: Prompted(prompt="", completion="\n".join(row[text] for text in texts))
        return lambda row: _verbalised(
            "\n".join(row[text] for text in texts), row[label], source.verbaliser, table
        )
    if {_INSTRUCTION, _OUTPUT} <= set(names):
        return _instructed
    for asked, written in _PAIRS:
        if {asked, written} <= set(names):
            return lambda row: _verbalised(row[asked], row[written], source.verbaliser, table)
    text = next((name for name in _TEXT if name in names), None)
    if text is not None:
        return lambda row: Prompted(prompt="", completion=row[text])
    raise DataError(
        f"{table.location}: no columns have customary names (instruction and output, prompt and "
        "completion, question and answer, text); name them with --text-column and --label-column "
        f"(the columns are {', '.join(table.names or names)})"
    )


def instruction_prompt(asked: str) -> str:
    """Return the prompt for an instruction or a question."""
    return f"{asked.strip()}\n\n### Answer:\n"


def _instructed(row: Row) -> Prompted:
    """Read a row of instruction data: instruction, optional input, and output."""
    asked = "\n".join(part for part in (row[_INSTRUCTION], row.get(_INPUT, "")) if part.strip())
    output, answer = row[_OUTPUT].strip(), row.get(_ANSWER, "").strip()
    prompt = instruction_prompt(asked)
    choices = _offered(asked)
    if answer not in choices:
        return Prompted(prompt=prompt, completion=output or answer, answer=answer)
    # If the output ends with the answer, each choice can take its place.
    stem = output.removesuffix(answer) if output.endswith(answer) else ""
    return Prompted(
        prompt=prompt,
        completion=output or answer,
        answer=answer,
        choices=choices,
        completions=tuple(stem + choice for choice in choices),
    )


def _offered(asked: str) -> tuple[str, ...]:
    """Return the choices that an instruction offers: after its format, or as letters in brackets."""
    listed = _FORMAT.search(asked)
    if listed:
        return tuple(dict.fromkeys(choice.strip() for choice in listed.group(1).split("/")))
    letters = tuple(dict.fromkeys(_LETTERED.findall(asked)))
    # Letters that are not consecutive from A are something else in brackets.
    return letters if letters == tuple("ABCDEFGHIJ"[: len(letters)]) and len(letters) > 1 else ()


def _verbalised(prompt: str, label: str, words: Mapping[str, str], table: Table) -> Prompted:
    """Replace a label by its words in the verbaliser; without one, the label is the completion."""
    if not words:
        mark = label.rpartition(GSM8K_MARK)[2].strip() if GSM8K_MARK in label else ""
        return Prompted(prompt=prompt, completion=label, answer=mark)
    if not label.strip():
        return Prompted(prompt=prompt, completion="")
    if label not in words:
        raise DataError(
            f"{table.location}: the verbaliser has no word for the label {label!r}, only for "
            f"{', '.join(words)}"
        )
    choices = tuple(words.values())
    return Prompted(prompt=prompt, completion=words[label], answer=words[label], choices=choices)


def _filled(template: str, row: Row) -> str:
    return _PLACE.sub(lambda place: row[place.group(1).casefold()], template)


def _check_places(table: Table, template: str) -> None:
    places = _PLACE.findall(template)
    if not places:
        raise DataError(f"prompt {template!r}: contains no column name; write one as {{text}}")
    for place in places:
        table.index(place)


def _first_of(table: Table, names: Sequence[str]) -> str:
    found = next((name for name in names if name in _folded(table)), None)
    if found is None:
        raise DataError(
            f"{table.location}: no column is named {', '.join(names)}; name the column of completions "
            "with --label-column"
        )
    return found


def _folded(table: Table) -> list[str]:
    if table.names is None:
        return [str(i) for i in range(len(table.columns))]
    return [name.strip().casefold() for name in table.names]


def _plain(value: object) -> str:
    if is_missing(value):
        return ""
    return class_name(value) if isinstance(value, (bool, int, float)) else str(value)
