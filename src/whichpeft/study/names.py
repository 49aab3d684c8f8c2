"""The grammar of method names: ``part[+part]``, with parts of the form ``name[:key=value,...]``.

Values are YAML scalars or ``[a,b]`` lists. ``+`` and ``,`` split only outside brackets and quotes.
A part that ends in ``.json`` is a path to a PEFT ``adapter_config.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from whichpeft.errors import StudyError


@dataclass(frozen=True, slots=True)
class PartName:
    """One part of a method's name."""

    name: str
    """Name of the method, or the path of a PEFT config file."""

    options: tuple[tuple[str, Any], ...] = ()
    """Keys and values, in the order written by the user."""

    @property
    def is_file(self) -> bool:
        """Whether the part is the path of a PEFT config file."""
        return self.name.endswith(".json")


@dataclass(frozen=True, slots=True)
class MethodName:
    """A method's name, parsed."""

    text: str
    parts: tuple[PartName, ...]


def parse_method(text: str) -> MethodName:
    """Parse a method's name. Raises StudyError if the text does not follow the grammar."""
    pieces = [piece.strip() for piece in _split(text, "+", text)]
    return MethodName(text=text, parts=tuple(_part(piece, text) for piece in pieces))


def with_paths(text: str, settle: Callable[[str], str]) -> str:
    """Return a method's name with `settle` applied to the paths of config files in it.

    Text that does not follow the grammar is returned unchanged; `parse_method` rejects it.
    """
    try:
        parts = parse_method(text).parts
    except StudyError:
        return text
    if not any(part.is_file for part in parts):
        return text
    pieces = [piece.strip() for piece in _split(text, "+", text)]
    return "+".join(
        settle(part.name) + piece[len(part.name) :] if part.is_file else piece
        for piece, part in zip(pieces, parts, strict=True)
    )


def format_part(name: str, options: tuple[tuple[str, object], ...]) -> str:
    """Write one part as `parse_method` reads it, with options sorted by key."""
    if not options:
        return name
    return f"{name}:" + ",".join(f"{key}={format_value(value)}" for key, value in sorted(options))


def format_value(value: object) -> str:
    """Write a value as `parse_method` reads it."""
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(format_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str) and not _reads_back(value):
        # YAML's single quotes can hold any character except the end of a line.
        return "'" + value.replace("'", "''") + "'" if value.isprintable() else json.dumps(value)
    return str(value)


def _reads_back(text: str) -> bool:
    """Whether text without quotes is read as one value that equals it."""
    try:
        whole = all(list(_split(text, mark, text)) == [text] for mark in ",+")
        return (
            whole and not set(text) & set("'\"") and text == text.strip() and _value(text, text) == text
        )
    except StudyError:
        return False


def _part(piece: str, text: str) -> PartName:
    if not piece:
        raise StudyError(f"method {text!r}: a part is empty; write name or name:key=value")
    if piece.endswith(".json"):
        return PartName(piece)
    name, colon, rest = piece.partition(":")
    if colon and not rest.strip():
        raise StudyError(f"method {text!r}: nothing follows the colon; write {name}:key=value or {name}")
    options: dict[str, Any] = {}
    for item in _split(rest, ",", text) if rest else ():
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key or not value.strip():
            raise StudyError(f"method {text!r}: {item.strip()!r} is not key=value")
        if key in options:
            raise StudyError(f"method {text!r}: {key} is given twice")
        options[key] = _value(value.strip(), text)
    return PartName(name.strip(), tuple(options.items()))


def _value(text: str, method: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise StudyError(f"method {method!r}: cannot read the value {text!r}") from None
    if isinstance(value, str) and text[0] in "\"'":
        return value
    if isinstance(value, str):
        # YAML 1.1 reads 1e-3 as text, but a learning rate is a number.
        try:
            return float(value)
        except ValueError:
            return value
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        raise StudyError(f"method {method!r}: the value {text!r} is a mapping; give a scalar or [a,b]")
    return value


def _split(text: str, separator: str, method: str) -> Iterator[str]:
    """Split outside brackets and quotes. The plus in ``1e+3`` is not a separator."""
    depth = start = 0
    quote = ""
    for i, char in enumerate(text):
        if char == quote or (not quote and char in "'\""):
            quote = "" if quote else char
        if quote:
            continue
        depth += (char == "[") - (char == "]")
        if depth < 0:
            break
        if char == separator and depth == 0 and not _in_exponent(text, i):
            yield text[start:i]
            start = i + 1
    if depth != 0:
        raise StudyError(f"method {method!r}: the brackets do not match")
    yield text[start:]


def _in_exponent(text: str, i: int) -> bool:
    before, after = text[:i], text[i + 1 : i + 2]
    return (
        text[i] == "+"
        and after.isdigit()
        and len(before) > 1
        and before[-1] in "eE"
        and before[-2].isdigit()
    )
