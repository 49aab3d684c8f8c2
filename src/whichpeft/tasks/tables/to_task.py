"""Builds a task from tables: the same steps for local files, folders of images and the hub."""

from __future__ import annotations

import dataclasses
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.assemble import assemble
from whichpeft.tasks.generative import GenerativeTask
from whichpeft.tasks.generative.from_tables import generative_from_tables, is_generative
from whichpeft.tasks.images.raw import RawImage, raw_image_from, register_image
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.labels import class_name, is_missing
from whichpeft.tasks.residues.alphabet import are_residues
from whichpeft.tasks.residues.tagged import with_tags_apart
from whichpeft.tasks.retrieval import RetrievalTask
from whichpeft.tasks.retrieval.from_tables import is_retrieval, retrieval_from_tables
from whichpeft.tasks.splits import Input, Label, Split
from whichpeft.tasks.tables.columns import Columns, find_columns, input_is_image
from whichpeft.tasks.tables.other_problems import refuse_other_problems
from whichpeft.tasks.tables.several_columns import has_several_labels, several_from_tables
from whichpeft.tasks.tables.several_labels import check_label_column
from whichpeft.tasks.tables.table import ColumnUse, Table, TaskTables
from whichpeft.tasks.tables.values import (
    column_sequences,
    column_texts,
    notes_on_texts,
    trimmed,
)
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.from_tables import is_tagging, tagging_from_tables
from whichpeft.tasks.text import TextTask
from whichpeft.tasks.unlabelled import is_marker
from whichpeft.units import counted

# Roles of a table in a data set. `dev` serves as validation or test, whichever is missing.
ROLES = ("train", "validation", "dev", "test")


def columns_by_role(found: TaskTables) -> tuple[dict[str, Columns], list[str]]:
    """Return the columns of each table that is used, and notes on the tables that are not.

    Columns are found in train and looked up in the other tables, by name if both have names. A test
    table without labels is left out, unless the user gave it explicitly.
    """
    tables, source = found.tables, found.source
    train = tables["train"]
    columns = find_columns(train, source.text_columns, source.label_column)
    used: dict[str, Columns] = {}
    notes = list(columns.notes)
    for role in ROLES:
        if role not in tables:
            continue
        table = tables[role]
        own = columns if role == "train" else _same_columns(train, columns, table)
        if not isinstance(own, str):
            check_label_column(table, own.label, source.problem)
        if isinstance(own, str) or (role != "train" and _unlabelled(table, own, train, columns)):
            reason = own if isinstance(own, str) else "has no labels"
            if role == "test" and role not in found.given:
                notes.append(f"{table.location} is not used, because it {reason}")
                continue
            raise DataError(
                f"{table.location}: {reason}; name the columns with --text-column and --label-column, "
                "or leave the file out"
            )
        used[role] = own
    return used, notes


def task_from_tables(
    found: TaskTables,
) -> TextTask | ImageTask | GenerativeTask | TaggingTask | RetrievalTask:
    """Build a task from tables by role.

    The result is a retrieval task if the user asks for one; a tagging task if there are lists of words
    and of tags; a task for language models if the source or the names of the columns ask for one; an
    image task if the input column of train holds images; else a text task.
    """
    if is_retrieval(found):
        return retrieval_from_tables(found)
    found = with_tags_apart(found)
    if is_tagging(found):
        return tagging_from_tables(found)
    refuse_other_problems(found)
    if found.source.problem != "multilabel" and is_generative(found):  # messages may have tags beside
        return generative_from_tables(found)
    if has_several_labels(found):
        return several_from_tables(found)
    name, train, source = found.name, found.tables["train"], found.source
    used, notes = columns_by_role(found)
    columns = used["train"]
    images = input_is_image(train, columns)
    if images and source.problem == "regression":
        raise DataError(f"task {name!r}: images can only be classified, so problem cannot be regression")
    residues = all(are_residues(train.columns[index]) for index in columns.input)
    raw_images: dict[str, RawImage] = {}
    splits: dict[str, Split] = {}
    for role, own in used.items():
        table = found.tables[role]
        notes.extend(table.notes_on_labels(own.label))
        splits[role] = (
            _split_images(table, own, raw_images)
            if images
            else _split(table, own, None if residues else notes)
        )
        dropped = len(table) - len(splits[role])
        if dropped:
            what = "image" if images else "sequence" if residues else "text"
            notes.append(f"{table.location}: {dropped} rows without {what} or label were skipped")
    parts: dict[str, Any] = {
        **splits,
        "metrics": found.metrics,
        "problem": "classification" if images else source.problem,
        "metric": source.metric,
        "class_order": train.class_orders.get(columns.label, ()),
        "columns": _use_of(train, columns),
        "notes": notes,
    }
    if images:
        return dataclasses.replace(assemble(ImageTask, name, **parts), raw_images=raw_images)
    return assemble(TextTask, name, **parts)


def _use_of(table: Table, columns: Columns) -> ColumnUse:
    used = (*columns.input, columns.label)
    return ColumnUse(
        text=tuple(map(table.title, columns.input)),
        label=table.title(columns.label),
        unused=tuple(table.title(i) for i in range(len(table.columns)) if i not in used),
    )


def _same_columns(train: Table, columns: Columns, table: Table) -> Columns | str:
    """Find train's columns in another table, or return what is missing there."""
    found = []
    for index in (*columns.input, columns.label):
        if train.names is not None and table.names is not None:
            place = table.find(train.names[index])
            if place is None:
                return f"has no column {train.names[index]!r}"
        elif index < len(table.columns):
            place = index
        else:
            return f"has {len(table.columns)} columns, but {train.location} has {len(train.columns)}"
        found.append(place)
    return Columns(input=tuple(found[:-1]), label=found[-1])


def _unlabelled(table: Table, found: Columns, train: Table, columns: Columns) -> bool:
    """Whether all labels are missing, or marked as such (-1, ``?``) while train has no such label."""
    kinds = {class_name(v) for v in table.columns[found.label] if not is_missing(v)}
    if all(map(is_marker, kinds)):
        return not any(class_name(v) in kinds for v in train.columns[columns.label])
    return False


def _split(table: Table, columns: Columns, notes: list[str] | None) -> Split:
    """Return the rows with an input and a label, and add notes on the texts; None for proteins."""
    texts: list[tuple[str, ...]] = []
    labels: list[Label] = []
    read = [column_texts(table, index) for index in columns.input]
    if notes is None:
        read = [column_sequences(table, index) for index in columns.input]
    else:
        for index, column in zip(columns.input, read, strict=True):
            notes += notes_on_texts(table, index, column)
    for *row, label in zip(*read, table.labels(columns.label), strict=True):
        parts = tuple(map(trimmed, row))
        if any(parts) and not is_missing(label):
            texts.append(parts)
            labels.append(label.strip() if isinstance(label, str) else label)
    halves = sum(not all(parts) for parts in texts)
    if halves and notes is not None:
        notes.append(f"{table.location}: one of the two texts is missing in {counted(halves, 'row')}")
    return Split(inputs=tuple(texts), labels=tuple(labels), location=table.location)


def _split_images(table: Table, columns: Columns, raw_images: dict[str, RawImage]) -> Split:
    """Return the rows with an image and a label, and add the images to `raw_images`."""
    inputs: list[Input] = []
    labels: list[Label] = []
    (image,) = columns.input
    for row, (value, label) in enumerate(
        zip(table.columns[image], table.columns[columns.label], strict=True)
    ):
        if value is not None and not is_missing(label):
            inputs.append(
                register_image(raw_image_from(value, f"{table.location} row {row}"), raw_images)
            )
            labels.append(label)
    return Split(inputs=tuple(inputs), labels=tuple(labels), location=table.location)
