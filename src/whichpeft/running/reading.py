"""Describes what was read of the data and the backbones, for the run folder, the dry run and reports."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from whichpeft.backbones import Backbone
from whichpeft.records import BackboneReading, ExampleTexts, Reading, Store, TaskReading
from whichpeft.records.example_texts import extended
from whichpeft.tasks import Task
from whichpeft.tasks.protocol import ComparesWeights, DescribesData, Excerpt, ShowsExamples

_MOST_EXAMPLES, _MOST_CHARACTERS = 2000, 200
_SPLIT = "test"


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


def read_of_backbone(backbone: Backbone, tasks: Iterable[Task]) -> BackboneReading:
    """Return what was read of a backbone's files, for the models that tasks make of it.

    Raises BackboneError if its weights do not fit its configuration.
    """
    # Tasks of one kind differ only in the size of the head.
    kinds = {type(task): task for task in tasks}.values()
    fits = [task.compare_weights(backbone) for task in kinds if isinstance(task, ComparesWeights)]
    notes = (*backbone.notes, *(note for fit in fits for note in fit.notes))
    return BackboneReading(
        name=backbone.name,
        notes=tuple(dict.fromkeys(notes)),
        new_layers=tuple(dict.fromkeys(name for fit in fits for name in fit.new_layers)),
    )


def add_reading(store: Store, reading: Reading) -> None:
    """Add what a run has read to what its folder keeps. The caller holds the folder's lock."""
    kept = store.reading()
    if kept is None:
        kept = Reading(earlier_records=bool(store.fingerprints()))
    store.keep_reading(kept.extended(reading))


def add_example_texts(store: Store, tasks: Iterable[Task]) -> None:
    """Keep excerpts of the tasks' test examples in the folder. The caller holds the folder's lock."""
    found = [texts for task in tasks if (texts := texts_of(task)) is not None]
    if found:
        store.keep_example_texts(extended(store.example_texts(), found))


def texts_of(task: Task) -> ExampleTexts | None:
    """Return excerpts of a task's test examples; None if the task cannot show them.

    Of a large test set they are spread over all of it, because files are often sorted by class.
    """
    if not isinstance(task, ShowsExamples):
        return None
    count = task.counts[_SPLIT]
    places = np.unique(
        np.linspace(0, count - 1, min(count, _MOST_EXAMPLES)).round().astype(int)
    ).tolist()
    found = task.excerpts(_SPLIT, places)
    if not any(any(one.inputs) for one in found):  # pixels without a name
        return None
    choices = {one.choices for one in found}
    return ExampleTexts(
        task=task.name,
        data=task.fingerprint,
        places=tuple(places),
        inputs=tuple(_shortened(one) for one in found),
        answers=tuple(_cut(one.answer) for one in found) if any(one.answer for one in found) else (),
        choices=tuple(map(_cut, *choices)) if len(choices) == 1 else (),
    )


def _shortened(excerpt: Excerpt) -> tuple[str, ...]:
    return tuple(_cut(text, _MOST_CHARACTERS // len(excerpt.inputs)) for text in excerpt.inputs)


def _cut(text: str, most: int = _MOST_CHARACTERS) -> str:
    """Return the beginning of a text on one line, which ends in an ellipsis if there is more."""
    words = " ".join(text[: 4 * most].split())
    return words if len(words) <= most and len(text) <= 4 * most else f"{words[: most - 1]}…"
