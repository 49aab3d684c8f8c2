"""The values of a table: which are text, which are labels, and which are refused.

JSON and Parquet files hold more than text and numbers. Nothing else is ever written out as Python shows
it: a column of lists or objects is refused if it is used.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from whichpeft.errors import DataError
from whichpeft.tasks.images.raw import is_image_value
from whichpeft.tasks.labels import class_name, is_missing
from whichpeft.tasks.residues.alphabet import read_residues
from whichpeft.tasks.tables.encodings import encoded_twice
from whichpeft.tasks.tables.table import Table
from whichpeft.units import counted

_PLAIN = (str, int, float, bool, type(None))
_PLAIN_TYPES = frozenset(_PLAIN)
_TIMES = (datetime.date, datetime.time, datetime.timedelta)
_AUDIO = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".webm"})
_AUDIO_MARKS = (b"RIFF", b"fLaC", b"ID3", b"OggS")
# How tools write a missing value that has become a text.
_MISSING = frozenset({"nan", "none", "null", "<na>"})
# Names of the role, the words and the calls of tools of a turn in a conversation.
ROLES, WORDS, CALLS = ("role", "from"), ("content", "value", "text"), ("tool_calls", "function_call")
_SHOWN = 60
# Values that Python wrote out before they came into a file. JSON has other quotation marks.
_WRITTEN_OUT = {
    "bytes": re.compile(r"""b'.*'|b".*\"""", re.DOTALL),
    "lists": re.compile(r"\['.*'\]", re.DOTALL),
    "objects": re.compile(r"\{'.*\}", re.DOTALL),
}
_WRITTEN_TALK = re.compile(r"""\s*\[\s*\{\s*['"](role|from|content|value)['"]\s*:""")


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for a value that is not read, such as a sound."""

    kind: str
    """What the values of the column are, in the plural."""


def plain_value(value: Any) -> Any:
    """Return a value as text, a number, a truth value or None if it is one in another form.

    Bytes that are UTF-8 become text; decimal numbers and the numbers of numpy become Python's own.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return bytes(value)
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return None
        whole = isinstance(exponent := value.as_tuple().exponent, int) and exponent >= 0
        return int(value) if whole else float(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return value


def kind_of(value: object) -> str | None:
    """Return what a value is, in the plural, if it is neither text nor a number; else None."""
    if isinstance(value, _PLAIN):
        return None
    if isinstance(value, Unread):
        return value.kind
    if is_audio_value(value):
        return "sounds"
    if is_image_value(value):
        return "images"
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, _TIMES):
        return "dates"
    if is_conversation(value):
        return "conversations"
    return "objects" if isinstance(value, Mapping) else "lists"


def is_audio_value(value: object) -> bool:
    """Whether a value is a sound as the `datasets` library stores it."""
    if not isinstance(value, Mapping) or "bytes" not in value or "path" not in value:
        return False
    content, path = value["bytes"], value["path"]
    named = isinstance(path, str) and Path(path).suffix.lower() in _AUDIO
    return named or (isinstance(content, bytes) and content.startswith(_AUDIO_MARKS))


def is_conversation(value: object) -> bool:
    """Whether a value is a list of turns, each with a role and its words."""
    if isinstance(value, Mapping):  # the columns of the turns, as older `datasets` store them
        return is_turn(value) and all(isinstance(part, list) for part in value.values())
    return isinstance(value, list) and bool(value) and all(map(is_turn, value))


def is_turn(value: object) -> bool:
    """Whether a value is a turn of a conversation."""
    return (
        isinstance(value, Mapping)
        and any(role in value for role in ROLES)
        and any(words in value for words in (*WORDS, *CALLS))
    )


def column_kind(values: Sequence[object]) -> str | None:
    """Return what the first value of a column is that is neither text nor a number; None without one.

    An empty list says nothing about the others.
    """
    if set(map(type, values)) <= _PLAIN_TYPES:  # fast, for the usual column
        return None
    kinds = (kind for value in values if value != [] and (kind := kind_of(value)) is not None)
    return next(kinds, "lists" if [] in values else None)


def text_of(value: Any) -> str:
    """Write a plain value as text; a missing one is empty."""
    if is_missing(value):
        return ""
    return class_name(value) if isinstance(value, bool | int | float) else str(value)


def trimmed(text: str) -> str:
    """Return a text without the spaces around it; one of several lines, such as code, stays as it is."""
    bare = text.strip()
    return text if "\n" in bare else bare


def column_texts(table: Table, index: int) -> list[str]:
    """Return a column as texts. Raises DataError if it holds anything else than text or numbers."""
    values = table.columns[index]
    for row, value in enumerate(values):
        if kind_of(value) not in (None, "dates"):
            _refuse(table, index, row, label=False)
        if isinstance(value, str) and _WRITTEN_TALK.match(value):
            raise DataError(
                f"{named_column(table, index)}, row {row + 1}: holds a conversation written as text "
                f"({shown(value)}); write the file as JSONL or Parquet with lists of role and content"
            )
    return [text_of(value) for value in values]


def column_sequences(table: Table, index: int) -> list[str]:
    """Return a column as proteins. Raises DataError, which names the row, for what is no residue."""
    column = named_column(table, index)
    return [
        read_residues(text, f"{column}, row {row}")
        for row, text in enumerate(column_texts(table, index), start=1)
    ]


def check_labels(table: Table, index: int) -> None:
    """Raise DataError if a column of labels holds anything else than text, numbers or truth values."""
    for row, value in enumerate(table.columns[index]):
        if kind_of(value) is not None:
            _refuse(table, index, row, label=True)


def named_column(table: Table, index: int) -> str:
    """Return the start of a message on a column: its file and its title."""
    return f"{table.location}: column {table.title(index)!r}"


def _refuse(table: Table, index: int, row: int, *, label: bool) -> NoReturn:
    value = table.columns[index][row]
    kind, column = kind_of(value), named_column(table, index)
    flag = "--label-column" if label else "--text-column"
    if isinstance(value, bytes):
        raise DataError(
            f"{column}, row {row + 1}: is not UTF-8 text ({_undecoded(value)}); decode it before it is "
            f"written, or name another column with {flag}"
        )
    if kind == "conversations" and not label:
        raise DataError(
            f"{column} holds conversations, which only a language model reads; give --problem "
            "generation, or write each as one text"
        )
    example = "" if kind in ("images", "sounds") else f" (row {row + 1}: {shown(value)})"
    if label and kind in ("lists", "objects", "conversations"):
        raise DataError(
            f"{column} holds {kind}{example}; give --problem multilabel to predict several labels per "
            f"example, or write the one label into a column of its own, and name it with {flag}"
        )
    what = "neither classes nor numbers" if label else "not text"
    fix = "" if label or kind in ("images", "sounds") else "write what is meant as one text, or "
    raise DataError(
        f"{column} holds {kind}{example}, which are {what}; {fix}name another column with {flag}"
    )


def _undecoded(value: bytes) -> str:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start} is 0x{value[error.start]:02x}"
    return "mixed with texts"


def shown(value: object) -> str:
    """Return a value as a message shows it: in one short line."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def notes_on_texts(table: Table, index: int, texts: Sequence[str]) -> list[str]:
    """Return notes on texts that another tool seems to have written by mistake."""
    notes = []
    lost = [text.strip() for text in texts if text.strip().casefold() in _MISSING]
    if lost:
        notes.append(
            f"{named_column(table, index)}: {counted(len(lost), 'text')} read {lost[0]!r}, as missing "
            "values are often written; they are kept as texts"
        )
    twice = encoded_twice(texts)
    if twice is not None:
        count, example = twice
        notes.append(
            f"{named_column(table, index)}: {counted(count, 'text')} of {len(texts):,} "
            f"{'looks' if count == 1 else 'look'} like UTF-8 that was encoded twice, for example "
            f"{example!r}; write the file again from its source"
        )
    filled = [text for text in texts if text.strip()]
    for kind, written in _WRITTEN_OUT.items():
        odd = [text for text in filled if written.fullmatch(text.strip())]
        if len(odd) > 0.5 * len(filled):
            notes.append(
                f"{named_column(table, index)}: {counted(len(odd), 'text')} of {len(filled):,} look "
                f"like {kind} that Python wrote out ({shown(odd[0])}); they are read as they are"
            )
    return notes
