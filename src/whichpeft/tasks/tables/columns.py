"""Finds the columns of a table that hold the text (or image) and the label."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from whichpeft.errors import DataError
from whichpeft.tasks.labels import class_name, is_missing, number
from whichpeft.tasks.tables.column_contents import (
    annotates,
    is_index,
    is_text,
    may_be_label,
    names_splits,
    prose_columns,
    protein_columns,
    says_the_label,
    split_notes,
)
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import column_kind
from whichpeft.units import join_words

# Customary names of columns in data sets. The first label name that is present wins.
LABEL_NAMES = (
    "label",
    "labels",
    "gold_label",
    # Of stance and of aspects, where the target is what an opinion is about.
    "stance",
    "polarity",
    "target",
    "class",
    "category",
    "intent",
    "emotion",
    "entailment_judgment",
    "entailment_label",
    "relatedness_score",
    "similarity_score",
    "similarity",
    "score",
    "rating",
    "stars",
    "sentiment",
    "is_duplicate",
    "answer",
    "y",
    "label_text",
    "label_name",
    "label_id",
    "label_idx",
    "class_name",
    "class_index",
    "class_id",
    # German, French, Spanish, Italian, Russian, Chinese, Japanese
    *("klasse", "kategorie", "bewertung", "stimmung"),
    *("étiquette", "etiquette", "classe", "catégorie", "categorie"),
    *("etiqueta", "clase", "categoría", "categoria", "sentimiento"),
    "etichetta",
    *("метка", "класс", "категория"),
    *("标签", "类别", "ラベル"),
)
# Names that leave no doubt, whatever other columns are called.
_CLEAR_LABELS = frozenset({"label", "labels", "gold_label", "target"})
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("question", "passage"),
)
TEXT_NAMES = ("text", "sentence", "review", "review_text", "content", "document", "comment", "tweet",
              "func", "patch",
              "texte", "texto", "testo", "текст", "文本", "内容", "テキスト")  # fmt: skip
# Names that also columns have that say where a text is from, or what somebody remarked about it.
_VAGUE_TEXT_NAMES = frozenset({"content", "document", "comment", "func", "patch"})
# Columns of several words that are no texts to learn from: who, where, and why the label is right.
_ABOUT_TEXTS = frozenset({
    "name", "author", "authors", "user", "username", "user_name", "full_name", "reviewer",
    "reviewer_name", "reviewername", "profilename", "location", "address", "city", "country", "url",
    "path", "file", "filename", "file_name", "rationale", "reasoning", "explanation",
    "chain_of_thought", "cot", "thought",
})  # fmt: skip
# No bracket inside, since a long row of opening ones would else take quadratic time.
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
# A column with gaps in this share of its rows may still be the label.
_FEW_MISSING = 0.1
# Columns with more values than this are seldom the label if another column has few, too.
_CLASSES_IN_DOUBT = 10


@dataclass(frozen=True, slots=True)
class Columns:
    """Indices of the columns that a task uses."""

    input: tuple[int, ...]
    """Columns of the input: one, or two for a pair of texts."""
    label: int
    """Column of the label."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the columns were found."""


def find_columns(
    table: Table, text_columns: Sequence[str] = (), label_column: str | None = None
) -> Columns:
    """Find the input and label columns of a table; given columns take precedence.

    A column of images is the input, unless text columns are given. Raises DataError if a given column is
    missing, or if no column or too many columns are possible.
    """
    notes: list[str] = []
    given = tuple(table.index(column) for column in text_columns) or _find_images(table)
    label = table.index(label_column) if label_column is not None else None
    if label is not None and label in given:
        raise DataError(
            f"{table.location}: column {table.title(label)!r} cannot be both text and label; "
            "give another --text-column or --label-column"
        )
    if label is None:
        label = _find_label(table, given or (*protein_columns(table), *prose_columns(table)), notes)
    notes += [
        f"{table.location}: text column {table.title(index)!r} only repeats the label column "
        f"{table.title(label)!r}, so it gives the label away"
        for index in given
        if says_the_label(table.columns[index], table.columns[label])
    ]
    notes += split_notes(table, label)
    return Columns(input=given or _find_text(table, label), label=label, notes=tuple(notes))


def input_is_image(table: Table, columns: Columns) -> bool:
    """Whether the input is an image."""
    return len(columns.input) == 1 and columns.input[0] in _image_columns(table)


def _find_images(table: Table) -> tuple[int, ...]:
    found = _image_columns(table)
    if len(found) > 1:
        raise DataError(
            f"{table.location}: columns {_listed(table, found)} contain images; "
            "choose one with --text-column"
        )
    return found


def _image_columns(table: Table) -> tuple[int, ...]:
    return tuple(i for i, column in enumerate(table.columns) if column_kind(column) == "images")


def _find_label(table: Table, text: Sequence[int], notes: list[str]) -> int:
    named = [index for index in _all_named(table, LABEL_NAMES) if index not in text]
    if named:
        usual = _folded(table)[named[0]] in _CLEAR_LABELS
        others = [] if usual else [i for i in named[1:] if may_be_label(table.labels(i)) is not None]
        _note_others(table, named[0], others, "the most customary name", notes)
        return named[0]
    found: dict[str, list[int]] = {"few": [], "numeric": []}
    gaps, same = [], []
    for index in range(len(table.columns)):
        values = table.labels(index)
        kind = may_be_label(values)
        if index in text or kind is None or is_index(table, index) or names_splits(values):
            continue
        if all(value == values[0] for value in values):
            same.append(index)
            continue
        missing = sum(map(is_missing, values))
        if not missing:
            found[kind].append(index)
        elif kind == "few" and missing <= _FEW_MISSING * len(values):
            gaps.append(index)
    if not (found["few"] or found["numeric"] or gaps):
        found["few"] = same  # a message on the single class is clearer than one on no label
    for kind, what in (("few", "few values"), ("numeric", "only numbers")):
        if found[kind]:
            *others, last = found[kind]
            _refuse_flags(table, [*gaps, *found[kind]])
            _note_others(table, last, [*others, *gaps], f"the last one with {what}", notes)
            return last
    why = ""
    if gaps:
        why = f" in all rows (column {table.title(gaps[-1])!r} has gaps)"
    elif any(column_kind(values) in ("lists", "objects") for values in table.columns):
        why = " (to predict several labels per example, name their column too)"
    raise DataError(
        f"{table.location}: no column looks like a label{why}; name it with --label-column, or give "
        f"--problem generation for a language model (the columns are {_titles(table)})"
    )


def _note_others(table: Table, taken: int, others: Sequence[int], why: str, notes: list[str]) -> None:
    others = [i for i in others if len({str(v) for v in table.columns[i]}) <= _CLASSES_IN_DOUBT]
    if others:
        could = join_words((repr(table.title(i)) for i in others), most=5)
        notes.append(
            f"{table.location}: column {table.title(taken)!r} is taken as the label because it is "
            f"{why}, but {could} could be it too; --label-column names another"
        )


def _refuse_flags(table: Table, candidates: Sequence[int]) -> None:
    """Raise DataError if several columns say yes or no: an example may have several such labels."""
    values = {i: {_folded_value(v) for v in table.labels(i) if not is_missing(v)} for i in candidates}
    alike = [i for i in candidates if values[i] == values[candidates[-1]]]
    if len(alike) > 1 and len(values[candidates[-1]]) == 2:
        both = " or ".join(sorted(values[candidates[-1]]))
        columns = join_words((table.title(i) for i in alike), most=8)
        raise DataError(
            f"{table.location}: columns {columns} all hold {both}; choose one with --label-column, or "
            "give --problem multilabel to predict them all"
        )


def _folded_value(value: Any) -> str:
    found = number(value)
    return str(value).strip().casefold() if found is None else class_name(found)


def _find_text(table: Table, label: int) -> tuple[int, ...]:
    for pair in PAIR_NAMES:
        both = tuple(_named(table, name) for name in pair)
        if None not in both and label not in both:
            return tuple(index for index in both if index is not None)
    proteins = tuple(index for index in protein_columns(table) if index != label)
    if 1 <= len(proteins) <= 2:
        return proteins
    single = next((i for i in _all_named(table, TEXT_NAMES) if i != label), None)
    prose = _texts(table, label, prose=True)
    if single is not None and (
        single in prose or not prose or _folded(table)[single] not in _VAGUE_TEXT_NAMES
    ):
        return (single,)
    # Texts of one word each are words that are not numbers and seldom repeat.
    found = prose or _texts(table, label, prose=False)
    if 1 <= len(found) <= 2:
        return found
    problem = (
        "no column looks like text" if not found else f"columns {_listed(table, found)} contain text"
    )
    raise DataError(
        f"{table.location}: {problem}; name one with --text-column, or two for a pair "
        f"(the columns are {_titles(table)})"
    )


def _texts(table: Table, label: int, *, prose: bool) -> tuple[int, ...]:
    """Return the columns of text, without those about the texts if there are others."""
    found = tuple(
        index
        for index in range(len(table.columns))
        if index != label
        and is_text(table, index, prose=prose)
        and not says_the_label(table.columns[index], table.columns[label])
    )
    found = tuple(i for i in found if not any(annotates(table, i, j) for j in found if j != i)) or found
    if len(found) > 1 and table.names is not None:
        names = _folded(table)
        return tuple(index for index in found if names[index] not in _ABOUT_TEXTS) or found
    return found


def folded_name(name: str) -> str:
    """Return a column's name in the spelling of the customary names: ``label`` for ``Label (0/1):``."""
    bare = _IN_BRACKETS.sub("", unicodedata.normalize("NFC", name).casefold()).strip().strip(":?#*. ")
    return re.sub(r"[\s-]+", "_", bare)


def _folded(table: Table) -> list[str]:
    return list(map(folded_name, table.names or ()))


def _named(table: Table, name: str) -> int | None:
    return next(iter(_all_named(table, (name,))), None)


def _all_named(table: Table, names: Sequence[str]) -> list[int]:
    """Return the columns with one of these names, in the order of the names."""
    folded = _folded(table)
    return [folded.index(name) for name in names if name in folded]


def _titles(table: Table) -> str:
    """List the columns, with what they hold if it is neither text nor numbers."""
    kinds = map(column_kind, table.columns)
    titles = [table.title(index) + (f" ({kind})" if kind else "") for index, kind in enumerate(kinds)]
    return ", ".join(titles) or "none"


def _listed(table: Table, indices: Iterable[int]) -> str:
    return ", ".join(table.title(index) for index in indices)
