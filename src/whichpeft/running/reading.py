"""Tells what was read of the data and the backbones, for the run folder, the dry run and reports."""

from __future__ import annotations

from collections.abc import Iterable

from whichpeft.records import Reading, Store, TaskReading
from whichpeft.tasks import Task
from whichpeft.tasks.protocol import DescribesData


def read_of_task(task: Task, notes: Iterable[str] = ()) -> TaskReading:
    """Return what was read of a task's data, with notes in addition to the task's own."""
    score = task.metrics[0]
    described = task if isinstance(task, DescribesData) else None
    columns = described.columns if described is not None else None
    return TaskReading(
        name=task.name,
        text_columns=columns.text if columns is not None else (),
        label_column=columns.label if columns is not None else None,
        problem=task.problem,
        classes=dict(described.class_counts) if described is not None else {},
        rows=dict(task.counts),
        class_rows=(
            {split: dict(rows) for split, rows in described.class_rows.items()}
            if described is not None
            else {}
        ),
        leaked=dict(described.leaked) if described is not None else {},
        unused_columns=columns.unused if columns is not None else (),
        metric=score.name,
        positive_class=score.positive_class,
        notes=tuple(dict.fromkeys((*task.notes, *notes))),
    )


def add_reading(store: Store, reading: Reading) -> None:
    """Add what a run has read to what its folder keeps. The caller holds the folder's lock."""
    kept = store.reading()
    if kept is None:
        kept = Reading(earlier_records=bool(store.fingerprints()))
    store.keep_reading(kept.extended(reading))
