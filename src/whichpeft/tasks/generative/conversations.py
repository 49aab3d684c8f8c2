"""Reads conversations: the last answer is the completion, all turns before it are the prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from whichpeft.errors import DataError, unknown
from whichpeft.tasks.generative.prompted import Prompted, Turn
from whichpeft.tasks.labels import is_missing
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tables.values import (
    CALLS,
    ROLES,
    WORDS,
    column_kind,
    is_conversation,
    is_turn,
    kind_of,
    named_column,
    shown,
    text_of,
)
from whichpeft.units import counted, join_words

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
_SPEAKERS = {
    **dict.fromkeys((SYSTEM, "developer"), SYSTEM),
    **dict.fromkeys((USER, "human", "prompter"), USER),
    **dict.fromkeys((ASSISTANT, "gpt", "chatgpt", "bot", "model", "bing", "bard"), ASSISTANT),
}
_TOOLS = frozenset({"tool", "function", "function_call", "function_response", "observation", "ipython"})
_EMPTY, _USES_TOOLS, _OPEN = (
    "empty",
    "with calls of tools",
    "without a question and its answer at the end",
)


class _Skipped(Exception):
    """A conversation that cannot be an example, with the reason."""


def conversation_columns(table: Table) -> list[int]:
    """Return the columns that hold conversations."""
    return [i for i, values in enumerate(table.columns) if column_kind(values) == "conversations"]


def read_conversations(
    table: Table, indices: Sequence[int], systems: Sequence[str]
) -> tuple[list[Prompted], list[str]]:
    """Read the conversations of a table; return them as examples, with notes.

    Parameters
    ----------
    table
        The table.
    indices
        The column of conversations, or the columns whose turns make one conversation together.
    systems
        The system message of each row, from a column of its own; empty ones are left out.

    Raises
    ------
    DataError
        If a value is no conversation, a role is unknown, a turn holds an image, or all are skipped.
    """
    examples: list[Prompted] = []
    skipped: Counter[str] = Counter()
    unread: dict[str, None] = {}
    several = 0
    for row, values in enumerate(zip(*(table.columns[i] for i in indices), strict=True)):
        turns: list[Turn] = [(SYSTEM, systems[row])] if systems and systems[row].strip() else []
        try:
            for place, (index, value) in enumerate(zip(indices, values, strict=True)):
                where = f"{named_column(table, index)}, row {row + 1}"
                speaker = ASSISTANT if place and len(indices) > 1 else USER
                found = _turns(value, where, speaker, unread)
                # A conversation's own system message takes the place of the column's.
                turns = found if found[:1] and found[0][0] == SYSTEM else [*turns, *found]
            examples.append(_example(turns))
        except _Skipped as reason:
            skipped[str(reason)] += 1
        else:
            several += sum(role == ASSISTANT for role, _ in turns) > 1
    what = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    if not examples:
        raise DataError(
            f"{named_column(table, indices[0])}: no conversation can be used ({what}); write each as a "
            "list of role and content that ends with an answer"
        )
    notes = []
    if skipped:
        notes.append(f"{table.location}: {counted(skipped.total(), 'conversation')} skipped ({what})")
    if several:
        notes.append(
            f"{table.location}: {counted(several, 'conversation')} with several answers, of which only "
            "the last one is trained on"
        )
    if unread:
        notes.append(
            f"{table.location}: {join_words(map(repr, unread), most=5)} of the turns "
            f"{'is' if len(unread) == 1 else 'are'} not read"
        )
    return examples, notes


def read_history(table: Table, index: int) -> list[tuple[Turn, ...]]:
    """Read a column of earlier turns: lists of a question and an answer each, or of turns."""
    found = []
    for row, value in enumerate(table.columns[index]):
        where = f"{named_column(table, index)}, row {row + 1}"
        turns: list[Turn] = []
        none = is_missing(value) or value == "[]"
        for part in [] if none else value if isinstance(value, list) else [value]:
            if isinstance(part, list) and len(part) == 2 and all(isinstance(p, str) for p in part):
                turns += [(USER, part[0]), (ASSISTANT, part[1])]
            elif is_turn(part):
                turns += _turns([part], where, USER, {})
            else:
                raise DataError(
                    f"{where}: {shown(part)} is not a question with its answer; write a list of such "
                    "pairs, or rename the column to leave it out"
                )
        found.append(tuple(turns))
    return found


def _turns(value: Any, where: str, speaker: str, unread: dict[str, None]) -> list[Turn]:
    """Return the turns of a value; a text is a turn of `speaker`."""
    if is_missing(value) or value == []:
        raise _Skipped(_EMPTY)
    if isinstance(value, str):
        return [(speaker, value)]
    if not is_conversation(value):
        raise DataError(
            f"{where}: holds {kind_of(value) or 'numbers'} ({shown(value)}) instead of a conversation; "
            "write a list of role and content"
        )
    if isinstance(value, Mapping):
        keys = list(value)
        value = [dict(zip(keys, parts, strict=True)) for parts in zip(*value.values(), strict=True)]
    return [_turn(turn, where, unread) for turn in value]


def _turn(turn: Mapping[str, Any], where: str, unread: dict[str, None]) -> Turn:
    role = next(key for key in ROLES if key in turn)
    words = next((key for key in WORDS if key in turn), WORDS[0])
    named = str(turn[role]).strip().casefold()
    if named in _TOOLS or any(turn.get(key) for key in CALLS):
        raise _Skipped(_USES_TOOLS)
    if named not in _SPEAKERS:
        raise DataError(f"{where}: {unknown('role', named, (SYSTEM, USER, ASSISTANT))}")
    unread |= {key: None for key, other in turn.items() if key not in (role, words) and other}
    return _SPEAKERS[named], _words(turn.get(words), where)


def _words(content: Any, where: str) -> str:
    """Return the text of a turn: a text, or a list of parts as for models that also read images."""
    if not isinstance(content, list):
        parts = [content]
    else:
        parts = [part["text"] if _is_text_part(part) else part for part in content]
    for part in parts:
        if kind_of(part) is not None:
            kind = part.get("type") if isinstance(part, Mapping) else None
            raise DataError(
                f"{where}: a turn holds {kind or kind_of(part)} ({shown(part)}), and only text can be "
                "read; leave such conversations out"
            )
    return "\n".join(map(text_of, parts))


def _is_text_part(part: object) -> bool:
    return (
        isinstance(part, Mapping)
        and isinstance(part.get("text"), str)
        and part.get("type", "text") == "text"
    )


def _example(turns: Sequence[Turn]) -> Prompted:
    if len(turns) < 2 or [role for role, _ in turns[-2:]] != [USER, ASSISTANT]:
        raise _Skipped(_OPEN)
    *before, (_, asked), (_, answer) = turns
    if not asked.strip() or not answer.strip():
        raise _Skipped(_OPEN)
    return Prompted(prompt=asked, completion=answer, before=tuple(before))
