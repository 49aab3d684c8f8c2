"""The page's section on what was read of the data and the backbones."""

from __future__ import annotations

from whichpeft.records import LengthReading, Reading, TaskReading
from whichpeft.report.tables.reading import metric
from whichpeft.report.text import UNKNOWN, plain
from whichpeft.units import show_count, show_percent

_MOST_CLASSES = 12
LENGTH_COLUMNS = ("backbone", "inputs", "median", "95 % up to", "longest", "limit", "cut")


def reading_section(reading: Reading | None) -> dict[str, object] | None:
    """Return the template variables of the section; None if an old folder does not say what was read."""
    if reading is None or not (reading.tasks or reading.backbones or reading.notes):
        return None
    return {
        "tasks": [_task(reading, task) for task in reading.tasks],
        "length_columns": LENGTH_COLUMNS,
        "notes": [
            *map(plain, reading.notes),
            *(plain(f"{one.name}: {note}") for one in reading.backbones for note in one.notes),
        ],
    }


def _task(reading: Reading, task: TaskReading) -> dict[str, object]:
    facts = {
        "text": ", ".join(map(_column, task.text_columns)),
        "completion" if task.problem == "generation" else "label": _column(task.label_column or ""),
        "not used": ", ".join(map(plain, task.unused_columns)),
        "problem": plain(task.problem),
        "score": metric(task),
        "rows": ", ".join(f"{show_count(count)} {plain(name)}" for name, count in task.rows.items()),
    }
    total = sum(task.classes.values())
    classes = [
        (plain(name), show_count(count), show_percent(100 * count / total) if total else UNKNOWN)
        for name, count in task.classes.items()
    ]
    return {
        "name": plain(task.name),
        "facts": [(key, value) for key, value in facts.items() if value],
        "classes": classes,
        "classes_open": len(classes) <= _MOST_CLASSES,
        "unit": next((length.unit for length in reading.lengths_of(task.name)), "tokens"),
        "lengths": [_length(length) for length in reading.lengths_of(task.name)],
        "notes": [plain(note) for note in task.notes],
    }


def _column(name: str) -> str:
    """Return a column's name; without names it is a place, which must not look like data."""
    return f"column {name}" if name.isdecimal() else plain(name)


def _length(length: LengthReading) -> list[str]:
    return [
        plain(length.backbone),
        show_count(length.count),
        show_count(length.median),
        show_count(length.p95),
        show_count(length.longest),
        UNKNOWN if length.limit is None else show_count(length.limit),
        f"{show_count(length.cut)} ({show_percent(100 * length.cut / length.count)})"
        if length.cut
        else "0",
    ]
