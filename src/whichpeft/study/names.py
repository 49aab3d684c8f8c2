"""The grammar of method names: ``part[+part]``, with parts of the form ``name[:key=value,...]``.

Values are YAML scalars or ``[a,b]`` lists. ``+`` and ``,`` split only outside brackets and quotes.
A part with a slash in its name or with the ending ``.json`` is the path of a PEFT config: the file
``adapter_config.json``, or the folder that has it. A path may contain ``+``, ``:``, ``,``, ``=`` and
spaces; in quotes, it may contain anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from whichpeft.errors import StudyError

CONFIG_FILE = "adapter_config.json"
"""The name that PEFT gives to the file of a config."""

_SUFFIX = ".json"
_QUOTES = ("'", '"')
_QUOTED = re.compile(r"""('(?:[^']|'')*'|"(?:[^"\\]|\\.)*")\s*(?:(:)(.*))?$""", re.DOTALL)
# A method with options: a drive's letter is shorter, and a path has a slash after its colon.
_METHOD = re.compile(r"[\w-]{2,}\s*:(?:\s*\w[\w.]*\s*=|[^/\\]*$)")
_KEY = re.compile(r":(?=\s*\w+\s*=)")
# The colon between a path and its options, such as the learning rate.
_OPTIONS = re.compile(r":(?=\s*(?:\w+\s*=[^/\\]*)?$)|(?<=\.json):(?=\s*\w+\s*(?:=|$))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PartName:
    """One part of a method's name."""

    name: str
    """Name of the method, or the path of a PEFT config file."""

    options: tuple[tuple[str, Any], ...] = ()
    """Keys and values, in the order written by the user."""

    @property
    def is_file(self) -> bool:
        """Whether the part is the path of a PEFT config file, or of a folder with one."""
        return _is_path(self.name)


@dataclass(frozen=True, slots=True)
class MethodName:
    """A method's name, parsed."""

    text: str
    parts: tuple[PartName, ...]


def parse_method(text: str) -> MethodName:
    """Parse a method's name. Raises StudyError if the text does not follow the grammar."""
    return MethodName(text=text, parts=tuple(_part(piece, text) for piece in _pieces(text)))


def with_paths(text: str, settle: Callable[[str], str]) -> str:
    """Return a method's name with `settle` applied to the paths of config files in it.

    A folder becomes the path of its ``adapter_config.json``. Text that does not follow the grammar is
    returned unchanged; `parse_method` rejects it.
    """
    try:
        pieces = _pieces(text)
        parts = [_part(piece, text) for piece in pieces]
    except StudyError:
        return text
    if not any(part.is_file for part in parts):
        return text
    settled = []
    for piece, part in zip(pieces, parts, strict=True):
        if part.is_file:
            path = settle(part.name)
            if Path(path).is_dir():
                path = str(Path(path, CONFIG_FILE))
            piece = (path if _is_one_part(path) else _quoted(path)) + piece[len(_split_name(piece)[0]) :]
        settled.append(piece)
    return "+".join(settled)


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
        return _quoted(value)
    return str(value)


def _quoted(text: str) -> str:
    # YAML's single quotes can hold any character except the end of a line.
    return "'" + text.replace("'", "''") + "'" if text.isprintable() else json.dumps(text)


def _reads_back(text: str) -> bool:
    """Whether text without quotes is read as one value that equals it."""
    try:
        whole = all(list(_split(text, mark, text)) == [text] for mark in ",+")
        return (
            whole and not set(text) & set("'\"") and text == text.strip() and _value(text, text) == text
        )
    except StudyError:
        return False


def _pieces(text: str, *, look: bool = True) -> list[str]:
    """Split a method's name into its parts, and put paths that contain a plus together again.

    If `look` is false, what exists is left out of account.
    """
    try:
        pieces = [piece.strip() for piece in _split(text, "+", text)]
    except StudyError:
        if not (_is_path(text) and text.lower().endswith(_SUFFIX)):
            raise
        return [text.strip()]  # a path with a bracket in it
    joined: list[str] = []
    while pieces:
        length = _path_length(pieces, look)
        joined.append("+".join(pieces[:length]))
        pieces = pieces[length:]
    return joined


def _path_length(pieces: Sequence[str], look: bool) -> int:
    """Return how many of the pieces are one path: what exists, or else up to the next config file."""
    for length in range(len(pieces), 1, -1) if look else ():
        found = _existing("+".join(pieces[:length]))
        if found is not None and len(found) > len("+".join(pieces[: length - 1])):
            return length
    first, has_options, _ = _split_name(pieces[0], look=look)
    if has_options or not _has_slash(first) or first.lower().endswith(_SUFFIX):
        return 1
    for length in range(2, len(pieces) + 1):
        whole = _split_name("+".join(pieces[:length]), look=look)[0]
        if whole.lower().endswith(_SUFFIX):
            return length
    return 1


def _existing(text: str) -> str | None:
    """Return the path of a config file or its folder with which a text begins, or None.

    Nothing may follow it except options.
    """
    ends = [len(text), *(match.start() for match in reversed(list(_KEY.finditer(text))))]
    for end in ends:
        path = Path(text[:end]).expanduser()
        try:
            if _is_path(text[:end]) and (path.is_file() or (path / CONFIG_FILE).is_file()):
                return text[:end]
        except (OSError, ValueError):  # too long for a path, or with a null byte
            continue
    return None


def _part(piece: str, text: str, *, look: bool = True) -> PartName:
    if not piece:
        raise StudyError(f"method {text!r}: a part is empty; write name or name:key=value")
    name, colon, rest = _split_name(piece, look=look)
    if name[:1] in _QUOTES:
        name = str(_value(name, text))
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


def _split_name(piece: str, *, look: bool = True) -> tuple[str, str, str]:
    """Split a part into its name, the colon and its options. The name of a path may have colons."""
    quoted = _QUOTED.match(piece)
    if quoted:
        return quoted[1], quoted[2], quoted[3]
    found = _existing(piece) if look else None
    if found is not None:
        return found, piece[len(found) : len(found) + 1], piece[len(found) + 1 :]
    if _METHOD.match(piece):
        return piece.partition(":")
    if _is_path(piece) and (options := _OPTIONS.search(piece)):
        return piece[: options.start()], ":", piece[options.start() + 1 :]
    if _is_path(piece):
        return piece, "", ""
    return piece.partition(":")


def _is_path(name: str) -> bool:
    return name.lower().endswith(_SUFFIX) or _has_slash(name) or f"{_SUFFIX}:" in name.lower()


def _has_slash(name: str) -> bool:
    return name.startswith("~") or "/" in name or "\\" in name


def _is_one_part(path: str) -> bool:
    """Whether a path without quotes is one part, with and without options, if it does not exist."""
    try:
        for text, options in ((path, ()), (f"{path}:key=1", (("key", 1),))):
            pieces = _pieces(text, look=False)
            if [_part(piece, text, look=False) for piece in pieces] != [PartName(path, options)]:
                return False
    except StudyError:
        return False
    return True


def _value(text: str, method: str) -> Any:
    import yaml

    if text.startswith("{"):  # a comma inside has split it
        raise StudyError(
            f"method {method!r}: {text!r} begins a mapping, which only a config file can hold; write "
            f"the path of an {CONFIG_FILE} instead of the method's name"
        )
    try:
        value = yaml.load(text, _loader())
    except yaml.YAMLError:
        raise StudyError(f"method {method!r}: cannot read the value {text!r}") from None
    if isinstance(value, str) and text[0] in _QUOTES:
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
        raise StudyError(f"method {method!r}: {text!r} is a mapping; put it in quotes to make it text")
    return value


@cache
def _loader() -> Any:
    """Return YAML's safe loader without its octal and base-60 numbers: 016 is 16, and 1:30 is text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":int")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("!whole", re.compile(r"[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
    Loader.add_constructor("!whole", lambda loader, node: int(node.value.replace("_", "")))
    return Loader


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
