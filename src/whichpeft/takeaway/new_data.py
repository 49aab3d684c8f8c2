"""Reads new data like those of a study: files of texts or prompts, and images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whichpeft.errors import DataError
from whichpeft.takeaway.inputs import TEXT, Inputs, row_source
from whichpeft.takeaway.new_sentences import read_sentences
from whichpeft.tasks import Prompted
from whichpeft.tasks.generative.rows import read_rows
from whichpeft.tasks.images.raw import SUFFIXES as IMAGE_SUFFIXES
from whichpeft.tasks.images.raw import RawImage, raw_image_from
from whichpeft.tasks.tables.column_contents import prose_columns, protein_columns
from whichpeft.tasks.tables.delimited import SEPARATORS
from whichpeft.tasks.tables.encodings import read_text
from whichpeft.tasks.tables.files import read_table, suffix_of
from whichpeft.tasks.tables.several_columns import labels_in
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import column_kind, column_sequences, column_texts, trimmed
from whichpeft.units import counted, join_words, plural


@dataclass(frozen=True, slots=True)
class NewData:
    """Rows to predict."""

    table: Table
    """The rows as they were read."""

    shown: tuple[str, ...]
    """What identifies each row to people: its text, or the name of an image's file."""

    texts: tuple[tuple[str, ...], ...] = ()
    """What a model reads of each row: one text, or two for a pair."""

    images: tuple[RawImage, ...] = ()
    """The image of each row."""

    prompts: tuple[Prompted, ...] = ()
    """The prompt of each row; its completion means nothing."""

    labels: Sequence[Any] | None = None
    """The column of labels, if there is one; lists of labels or of tags if an input has several."""

    lengths: tuple[int, ...] = ()
    """Number of words of each text, if words are predicted: a row of the table is then a word."""


def read_new(path: Path, inputs: Inputs, columns: Sequence[str] = ()) -> NewData:
    """Read a file, or images in a folder.

    Parameters
    ----------
    path
        A file in a format that tasks are read from, a folder of images, or an image.
    inputs
        How the study read its inputs.
    columns
        Columns of the input, if they have other names than in the study.

    Raises
    ------
    DataError
        If the file cannot be read, or has no such columns.
    """
    if columns and inputs.kind == "texts" and len(columns) != len(inputs.columns):
        raise DataError(
            f"--text-column: the study has {counted(len(inputs.columns), 'text column')}, "
            f"{_named(inputs.columns)}; name as many"
        )
    if inputs.kind == "images" and (path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES):
        return _image_files(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file with the column {_named(inputs.columns)}")
    if not path.exists():
        raise DataError(
            f"{path}: no such file; the folder's predict.py takes a single text (python predict.py "
            '"a text")'
        )
    if inputs.kind == "words":
        protein = bool(inputs.residues)
        found = read_sentences(path, inputs.columns[0], inputs.label, columns, residues=protein)
        shown = tuple(map(str, found.table.columns[1]))
        lengths = tuple(map(len, found.words))
        return NewData(found.table, shown, texts=found.words, labels=found.tags, lengths=lengths)
    wanted = [*(columns or inputs.columns), *([inputs.label] if inputs.label else [])]
    table = None if columns else _lines(path, inputs.columns)
    if table is None:
        table = _noting_blank_rows(path, read_table(path, wanted))
    if inputs.kind == "images":
        return _image_rows(table, inputs)
    if inputs.kind == "prompts" and inputs.label is not None and not columns:
        return _prompt_rows(table, inputs)
    table, places = _places(table, columns or inputs.columns, bool(columns))
    read = column_sequences if inputs.residues else column_texts
    rows = zip(*(read(table, place) for place in places), strict=True)
    texts = tuple(tuple(map(trimmed, row)) for row in rows)
    shown = tuple(" | ".join(row) for row in texts)
    if inputs.kind == "prompts":
        prompts = tuple(
            Prompted(prompt=inputs.prompt.replace(TEXT, "\n".join(row)), completion="-") for row in texts
        )
        return NewData(table, shown, prompts=prompts)
    if inputs.problem == "multilabel":
        return NewData(table, shown, texts=texts, labels=labels_in(table, inputs.label, inputs.classes))
    label = table.find(inputs.label) if inputs.label is not None else None
    labels = table.labels(label) if label is not None and label not in places else None
    return NewData(table, shown, texts=texts, labels=labels)


def _lines(path: Path, columns: Sequence[str]) -> Table | None:
    """Read a text file without columns, each of whose lines is an input; None if it is another file."""
    if suffix_of(path) != ".txt" or len(columns) != 1:
        return None
    read = read_text(path)
    lines = [line.strip() for line in read.text.splitlines() if line.strip()]
    if not lines or any("\t" in line for line in lines):
        return None
    first = [field.strip().casefold() for field in re.split("[,;|]", lines[0])]
    if columns[0].casefold() in first:
        if len(first) > 1:
            return None
        lines = lines[1:]
    return Table(str(path), tuple(columns), (tuple(lines),), notes=read.notes) if lines else None


_BLANK_ROW = re.compile(r"[\s,;|]*[,;|\t][\s,;|]*")


def _noting_blank_rows(path: Path, table: Table) -> Table:
    """Add a note if rows have separators and no text: predictions then lack these rows."""
    if suffix_of(path) not in SEPARATORS:
        return table
    blank = sum(_BLANK_ROW.fullmatch(line) is not None for line in read_text(path).text.splitlines())
    if not blank:
        return table
    are = "is" if blank == 1 else "are"
    note = f"{path}: {counted(blank, 'row')} without any text {are} left out"
    return replace(table, notes=(*table.notes, note))


def _places(table: Table, columns: Sequence[str], given: bool) -> tuple[Table, tuple[int, ...]]:
    """Find the columns of the input: by name, or because there are no others that it could be.

    The table is returned with a note if its columns have other names.
    """
    if given:
        return table, tuple(map(table.index, columns))
    found = [table.find(name) for name in columns]
    places = tuple(place for place in found if place is not None)
    if len(places) == len(columns):
        return table, places
    prose = protein_columns(table) or prose_columns(table)
    others = prose if len(prose) == len(columns) else None
    if len(table.columns) == len(columns):
        others = tuple(range(len(columns)))
    if others is not None:
        if table.names is not None:
            instead = _named([table.title(place) for place in others])
            note = f"{table.location}: has no {_named(columns)}, so {instead} is read instead"
            table = replace(table, notes=(*table.notes, note))
        return table, others
    there = join_words([table.title(i) for i in range(len(table.columns))], most=8)
    raise DataError(
        f"{table.location}: no {plural('column', len(columns))} {_named(columns)}, only {there}; name "
        "the input with --text-column"
    )


def _named(columns: Sequence[str]) -> str:
    return join_words(list(map(repr, columns)))


def _prompt_rows(table: Table, inputs: Inputs) -> NewData:
    """Read rows with the study's own reader, which requires a completion in each."""
    label = inputs.label or ""
    if table.names is None:
        _, places = _places(table, inputs.columns, False)
        table = replace(
            table, names=inputs.columns, columns=tuple(table.columns[place] for place in places)
        )
    names, columns = [*(table.names or ())], [*table.columns]
    place = table.find(label)
    completions = [inputs.completion] * len(table)
    if place is None:
        names, columns = [*names, label], [*columns, completions]
    else:
        columns[place] = completions
    whole = replace(table, names=tuple(names), columns=tuple(columns))
    examples = read_rows(whole, row_source(inputs)).examples
    if len(examples) != len(table):
        raise DataError(
            f"{table.location}: {len(table) - len(examples)} of {len(table)} rows have no prompt; leave "
            "them out"
        )
    first = whole.index(inputs.columns[0])
    prompts = tuple(replace(one, completions=one.completions or one.choices) for one in examples)
    return NewData(table, tuple(column_texts(whole, first)), prompts=prompts)


def _image_files(path: Path) -> NewData:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
    if not files:
        raise DataError(f"{path}: contains no image; name a folder of images, or one image")
    names = tuple(str(file.relative_to(path)) if path.is_dir() else file.name for file in files)
    images = tuple(raw_image_from(file, str(file)) for file in files)
    return NewData(Table(str(path), ("image",), (names,)), names, images=images)


def _image_rows(table: Table, inputs: Inputs) -> NewData:
    place = next((i for i, c in enumerate(table.columns) if column_kind(c) == "images"), None)
    if place is None:
        raise DataError(f"{table.location}: has no column of images; name a folder of images")
    values = table.columns[place]
    images = tuple(raw_image_from(v, f"{table.location} row {i}") for i, v in enumerate(values))
    names = tuple(str((v or {}).get("path") or f"row {i}") for i, v in enumerate(values))
    label = table.find(inputs.label) if inputs.label is not None else None
    labels = table.labels(label) if label is not None else None
    columns = tuple(names if i == place else column for i, column in enumerate(table.columns))
    return NewData(replace(table, columns=columns), names, images=images, labels=labels)
