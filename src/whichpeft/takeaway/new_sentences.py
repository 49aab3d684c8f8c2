"""Reads new sentences to tag: lists of words with or without tags, CoNLL files, or plain texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.residues.alphabet import read_residues
from whichpeft.tasks.residues.tagged import letters_apart
from whichpeft.tasks.tables.conll import SUFFIXES as CONLL_SUFFIXES
from whichpeft.tasks.tables.conll import read_conll
from whichpeft.tasks.tables.files import read_table
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import column_kind, column_texts
from whichpeft.tasks.tagging.from_tables import customary_columns, tag_names
from whichpeft.tasks.tagging.words import split_words
from whichpeft.units import counted, join_words


@dataclass(frozen=True, slots=True)
class NewSentences:
    """Sentences to tag."""

    table: Table
    """One row per word: the number of its sentence from 1, the word, and its tag if there is one."""

    words: tuple[tuple[str, ...], ...]
    """The words of each sentence that has any."""

    tags: tuple[tuple[str, ...], ...] | None
    """Their tags as the file has them; None without tags."""


def read_sentences(
    path: Path,
    words: str,
    tags: str | None,
    columns: Sequence[str] = (),
    *,
    residues: bool = False,
) -> NewSentences:
    """Read a file of sentences.

    Parameters
    ----------
    path
        A CoNLL file, which may have words alone, or another file with the column `words`, or a single
        column of texts.
    words, tags
        The study's columns of words and of tags.
    columns
        The column of words or texts, if it has another name than in the study.
    residues
        Whether texts are proteins, and their residues the words.

    Raises
    ------
    DataError
        If the file cannot be read, has no such column, or words and tags are not equally many.
    """
    conll = path.suffix.lower() in CONLL_SUFFIXES
    table = read_conll(path, tagged=False) if conll else read_table(path, [words])
    place = table.index("tokens") if conll and not columns else _place(table, words, columns)
    if residues:
        table = letters_apart(table, place, table.find(tags) if tags is not None else None)
    values = table.columns[place]
    listed = column_kind(values) == "lists"
    if listed:
        texts = [tuple(map(str, own or ())) for own in values]
    else:
        texts = [split_words(text) for text in column_texts(table, place)]
    if residues:
        rows = enumerate(map("".join, texts), start=1)
        texts = [tuple(read_residues(one, f"{table.location}: row {row}")) for row, one in rows]
    known = _tags(table, "tags" if conll else tags) if listed else None
    for row, own in enumerate(texts, start=1):
        count = len(known[row - 1]) if known is not None else len(own)
        if len(own) != count:
            raise DataError(
                f"{table.location}: row {row} has {counted(len(own), 'word')} and "
                f"{counted(count, 'tag')}; each word needs one tag"
            )
        if not all(word.strip() for word in own):
            raise DataError(f"{table.location}: row {row}: a word is empty; leave it out")
    if not any(texts):
        raise DataError(f"{table.location}: contains no words; the file is empty")
    numbers = [row for row, own in enumerate(texts, start=1) for _ in own]
    flat: list[Sequence[object]] = [numbers, [word for own in texts for word in own]]
    names = ["sentence", "word"]
    if known is not None:
        names, flat = [*names, "tag"], [*flat, [tag for own in known for tag in own]]
    return NewSentences(
        Table(table.location, tuple(names), tuple(flat)),
        tuple(own for own in texts if own),
        tuple(own for own in known if own) if known is not None else None,
    )


def _place(table: Table, words: str, columns: Sequence[str]) -> int:
    if columns:
        return table.index(columns[0])
    found = table.find(words)
    if found is None:
        found = customary_columns(table)[0]
    if found is None and len(table.columns) == 1:
        return 0
    if found is None:
        titles = [table.title(i) for i in range(len(table.columns))]
        text = next((i for i, title in enumerate(titles) if title.casefold() == "text"), None)
        if text is not None:
            return text
        raise DataError(
            f"{table.location}: no column {words!r}, only {join_words(titles, most=8)}; name the words "
            "or the text with --text-column"
        )
    return found


def _tags(table: Table, title: str | None) -> list[tuple[str, ...]] | None:
    place = table.find(title) if title is not None else None
    if place is None:
        place = customary_columns(table)[1]
    if place is None or column_kind(table.columns[place]) != "lists":
        return None
    return list(map(tuple, tag_names(table, place)))
