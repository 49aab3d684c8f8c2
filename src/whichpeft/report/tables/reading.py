"""What was read of the data, in words: two lines per task, and its notes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from whichpeft.records import LengthReading, Reading, TaskReading
from whichpeft.records.reading import READING
from whichpeft.report.text import plain
from whichpeft.units import counted, join_words, show_count, show_percent

_WIDTH = 80
_LONGEST_NAME = 40
_MOST_CLASSES, _MOST_COLUMNS = 8, 6


def reading_lines(task: TaskReading, lengths: Sequence[LengthReading] = ()) -> list[str]:
    """Say what was read of a task's data, in lines that fit a terminal of 80 columns."""
    facts = [*columns(task), problem(task), rows(task), f"score: {metric(task)}"]
    lines = [f"{short(task.name)}: {facts[0]}"]
    for fact in (*facts[1:], *map(length_words, lengths)):
        if len(lines[-1]) + len(fact) + 2 <= _WIDTH:
            lines[-1] += f"; {fact}"
        else:
            lines.append(f"  {fact}")
    return [line for long in lines for line in _wrapped(long)]


def _wrapped(line: str) -> list[str]:
    begins = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=begins + "  ", break_long_words=False, break_on_hyphens=False
    )


def columns(task: TaskReading) -> list[str]:
    """Say which columns are read and which are not: ``text from review, label from stars``."""
    read = []
    if task.text_columns:
        read.append(f"text from {join_words(map(short, task.text_columns))}")
    if task.label_column is not None:
        what = "completion" if task.problem == "generation" else "label"
        read.append(f"{what} from {short(task.label_column)}")
    unused = join_words(map(short, task.unused_columns), most=_MOST_COLUMNS)
    return [*([", ".join(read)] if read else []), *([f"unused: {unused}"] if unused else [])]


def problem(task: TaskReading) -> str:
    """Name the problem and count the classes: ``classification, 2 classes: bad (40), good (52)``."""
    if not task.classes:
        return plain(task.problem)
    shown = [f"{short(name)} ({show_count(count)})" for name, count in task.classes.items()]
    return (
        f"{plain(task.problem)}, {counted(len(shown), 'class')}: {join_words(shown, most=_MOST_CLASSES)}"
    )


def rows(task: TaskReading) -> str:
    """Count the rows of each split: ``123 rows: 99 train, 12 validation, 12 test``."""
    each = ", ".join(f"{show_count(count)} {plain(split)}" for split, count in task.rows.items())
    return f"{counted(sum(task.rows.values()), 'row')}: {each}"


def metric(task: TaskReading) -> str:
    """Name the metric of the score, and its class if it is of one class."""
    name = plain(task.metric)
    if task.positive_class is None or name.endswith(f":{plain(task.positive_class)}"):
        return name
    return f"{name} of {short(task.positive_class)}"


def length_words(length: LengthReading) -> str:
    """Say how long the inputs are, and how many of them are cut."""
    spread = (
        f"median {show_count(length.median)}, 95 % up to {show_count(length.p95)}, "
        f"longest {show_count(length.longest)}"
    )
    backbone = short(length.backbone)
    if not length.cut:
        return f"{length.unit} for {backbone}: {spread}"
    return f"{cut_words(length)} for {backbone} ({spread})"


def cut_words(length: LengthReading) -> str:
    """Say how many inputs are cut: ``14 % of the inputs are cut at 256 tokens``."""
    limit = "" if length.limit is None else f" at {show_count(length.limit)} {length.unit}"
    if length.cut == length.count:
        return f"all inputs are cut{limit}"
    if length.cut < 0.01 * length.count:
        few = "1 input is" if length.cut == 1 else f"{show_count(length.cut)} inputs are"
        return f"{few} cut{limit}"
    return f"{show_percent(100 * length.cut / length.count)} of the inputs are cut{limit}"


def task_notes(reading: Reading, task: TaskReading) -> tuple[str, ...]:
    """Return the notes of a task's data, and a note for each backbone that does not read all of them."""
    lengths = reading.lengths_of(task.name)
    cut = (length_words(length) for length in lengths if length.cut)
    foreign = (foreign_words(length) for length in lengths if length.looks_foreign)
    return (*task.notes, *cut, *foreign)


def foreign_words(length: LengthReading) -> str:
    """Say that texts look foreign to a backbone, by the tokens that it needs for a word."""
    return (
        f"the inputs look foreign to {short(length.backbone)}: it needs {length.pieces_per_word:.1f} "
        "tokens per word, and a tokenizer needs about 1.2 to 1.4 for its own language; a backbone for "
        "this language may score higher"
    )


def lines_on_reading(reading: Reading) -> Iterator[str]:
    """Yield the lines that a run prints about what it read: tasks, then all notes."""
    for task in reading.tasks:
        yield from reading_lines(task, reading.lengths_of(task.name))
    yield from _notes(reading, lambda task: task.notes)


def reading_notes(reading: Reading | None) -> list[str]:
    """Return the notes of machines, tasks and backbones, each with what it is of."""
    if reading is None:
        return []
    return list(_notes(reading, lambda task: task_notes(reading, task)))


def _notes(reading: Reading, of_task: Callable[[TaskReading], Iterable[str]]) -> Iterator[str]:
    yield from map(plain, reading.notes)
    for task in reading.tasks:
        yield from (plain(f"{task.name}: {note}") for note in of_task(task))
    for backbone in reading.backbones:
        yield from (plain(f"{backbone.name}: {note}") for note in backbone.notes)


def as_values(reading: Reading) -> dict[str, Any]:
    """Return what was read as JSON values, with all that is said of a task among its notes."""
    values: dict[str, Any] = READING.dump_python(reading, mode="json")
    del values["earlier_records"]
    for task, written in zip(reading.tasks, values["tasks"], strict=True):
        written["notes"] = list(task_notes(reading, task))
    return values


def short(name: str) -> str:
    """Return a name on one line, cut if it is long."""
    text = plain(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
