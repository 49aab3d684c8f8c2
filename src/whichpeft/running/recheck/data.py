"""Reads the data of an old run folder again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from whichpeft.analysis.check.findings import Finding
from whichpeft.analysis.example_scores import Predictions
from whichpeft.errors import RecordError, RequestError
from whichpeft.records import Record
from whichpeft.running.recheck.words import AGAIN, MOST_NAMES, not_read, problem
from whichpeft.study import Study, TaskSource
from whichpeft.study.spec import short_name
from whichpeft.tasks import TASKS, Task, load_task
from whichpeft.tasks.assemble import fingerprint_of
from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.protocol import DescribesData
from whichpeft.tasks.tables.local import is_local
from whichpeft.units import join_words, show_count

_FROM_PYTHON = (
    "stdlib-docs", "stdlib-kinds", "stdlib-names", "stdlib-doc-match", "stdlib-search", "stdlib-summary",
)  # fmt: skip
_BUNDLED = (*_FROM_PYTHON, "digits", "sums")


def load_again(source: TaskSource) -> Task | Finding:
    """Load a task from this machine; return a finding if it is not here, or no longer accepted."""
    name = source.name if source.name in TASKS else short_name(source.name)
    elsewhere = f"{source.name} is not a file on this machine, so its data were not read again"
    files = [getattr(source, key) for key in ("train", "validation", "test", "folder", "held_out")]
    missing = [file for file in files if file and not Path(file).expanduser().exists()]
    local = is_local(source) or source.train is not None or source.folder is not None
    if source.name not in TASKS and source.train is None and not Path(source.name).expanduser().exists():
        missing.append(source.name)
    if missing and local:
        return not_read(f"{missing[0]} is gone, so the data were not read again", task=name)
    if missing or not (local or source.name in _BUNDLED):
        return not_read(elsewhere, task=name)
    try:
        return load_task(source)
    except (RequestError, OSError) as error:
        return problem(f"this version refuses the data: {error}", f"mend them and {AGAIN}", task=name)


def same_data(task: Task, source: TaskSource) -> set[str]:
    """Return the fingerprints of the data as they are read now, by this version and by earlier ones.

    Earlier versions put the metric's name into it as it was written.
    """
    found = {task.fingerprint}
    if isinstance(task, LabelledTask) and task.problem != "multilabel":
        found.add(fingerprint_of(task.splits, task.classes, source.metric))
    return found


def data_findings(
    task: Task,
    study: Study,
    records: Sequence[Record],
    alike: Sequence[Record],
    predictions: Predictions,
) -> Iterator[Finding]:
    """Compare a task as it is read now with the data and the metric of its records.

    Parameters
    ----------
    task
        The task as this version reads it.
    study
        The folder's study.
    records
        The records of the task.
    alike
        Those whose data are the same.
    predictions
        Returns a trial's arrays by its fingerprint.
    """
    yield from _metric_findings(task, records)
    others = [record for record in records if record not in alike]
    if not others:
        return
    if task.name in _FROM_PYTHON:
        then = others[0].setting.versions.get("python", "?")
        yield not_read(
            f"its data come with Python {then} and differ in this Python, so they were not read again",
            task=task.name,
        )
        return
    differing = list(_differences(task, study, others, predictions))
    details = f" ({'; '.join(differing)})" if differing else ""
    yield problem(
        f"its scores are of other data than this version reads{details}: an earlier version read the "
        f"files otherwise, or they have changed. Now: {_words(task)}",
        task=task.name,
    )


def _words(task: Task) -> str:
    """Say how a task is read now: columns and classes."""
    if not isinstance(task, DescribesData):
        return task.problem
    parts = []
    if task.columns is not None and task.columns.text:
        parts.append(f"text from {join_words(task.columns.text)}")
    if task.columns is not None and task.columns.label is not None:
        parts.append(f"label from {task.columns.label}")
    classes = join_words(task.class_counts, most=MOST_NAMES)
    parts.append(f"{task.problem}{f' into {classes}' if classes else ''}")
    return ", ".join(parts)


def _differences(
    task: Task, study: Study, records: Sequence[Record], predictions: Predictions
) -> Iterator[str]:
    """Count what the records and the data of today differ in."""
    classes = len(task.class_counts) if isinstance(task, DescribesData) else 0
    widths = set(filter(None, (_width(record, predictions) for record in records)))
    if classes and task.problem == "classification" and widths and classes not in widths:
        then = f"{show_count(max(widths))} classes" if max(widths) > 1 else "a regression"
        yield f"{then} in the records, {show_count(classes)} classes now"
    for split, count in task.counts.items():
        found = {value for r in records if (value := r.value(f"{split}_examples")) is not None}
        now = min(count, study.budget.max_train or count) if split == "train" else count
        if found and now not in found:
            yield f"{show_count(max(found))} {split} examples in the records, {show_count(now)} now"


def _width(record: Record, predictions: Predictions) -> int | None:
    """Return the number of classes that a record's outputs have, and 1 for a regression."""
    try:
        arrays = predictions(record.trial.fingerprint)
    except RecordError:
        return None
    outputs = None if arrays is None else arrays.get("outputs")
    return int(outputs.shape[1]) if outputs is not None and outputs.ndim == 2 else None


def _metric_findings(task: Task, records: Sequence[Record]) -> Iterator[Finding]:
    """Find scores by F1 of the class that comes second in the alphabet, if another one is meant."""
    positive = task.metrics[0].positive_class
    second = sorted(task.class_counts)[1:2] if isinstance(task, DescribesData) else []
    if positive is not None and second and second != [positive] and _scored_by_f1(records):
        yield problem(
            f"its score f1 is of the class that comes second in the alphabet, {second[0]}, and not of "
            f"{positive}, the rarer one",
            f"{AGAIN}; --metric f1:{second[0]} keeps the class",
            task=task.name,
        )


def unread_metric_findings(source: TaskSource, records: Sequence[Record]) -> Iterator[Finding]:
    """Find such scores of data that cannot be read again, so that the class is not known."""
    if source.metric == "f1" and _scored_by_f1(records):
        yield problem(
            "its score f1 is of the class that comes second in the alphabet, whichever was meant",
            f"name the class, as in --metric f1:CLASS, and {AGAIN}",
            task=short_name(source.name),
        )


def _scored_by_f1(records: Sequence[Record]) -> bool:
    scores = (record.measurement("score", "test") for record in records)
    return any(score is not None and score.source == "f1" for score in scores)
