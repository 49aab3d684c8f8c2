"""All methods by name: ours, PEFT's, and those of plug-ins (entry points `whichpeft.methods`)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from whichpeft.errors import StudyError, suggestion, unknown
from whichpeft.methods.baselines import FewShot, Full, Head, TopLayers, ZeroShot
from whichpeft.methods.bitfit import BitFit
from whichpeft.methods.bottleneck import ParallelAdapter, SeriesAdapter
from whichpeft.methods.composition import compose
from whichpeft.methods.from_file import read_config
from whichpeft.methods.loreft import LoReft
from whichpeft.methods.method import Method
from whichpeft.methods.options import check_value
from whichpeft.methods.peft_catalogue import peft_methods
from whichpeft.methods.peft_method import RECIPE, PeftMethod
from whichpeft.study.names import PartName, parse_method

_OWN: tuple[type[Method], ...] = (
    Full, Head, TopLayers, ZeroShot, FewShot, BitFit, SeriesAdapter, ParallelAdapter, LoReft
)  # fmt: skip


@cache
def methods() -> Mapping[str, type[Method]]:
    """Return every method by name, in the order they are listed."""
    known: dict[str, type[Method]] = {method.name: method for method in _OWN}
    known |= {name: method for name, method in peft_methods().items() if name not in known}
    for point in entry_points(group="whichpeft.methods"):
        if point.name not in known:
            known[point.name] = point.load()
    return known


def resolve_method(text: str) -> Method:
    """Turn a method's name with its options into the method.

    Raises StudyError at an unknown name or option, or a value of the wrong kind.
    """
    made = [_resolve_part(part, text) for part in parse_method(text).parts]
    return made[0] if len(made) == 1 else compose(made, text)


def _resolve_part(part: PartName, text: str) -> Method:
    if part.is_file:
        return _with_recipe(read_config(part.name, methods().values()), part, text)
    if part.name not in methods():
        fix = "`whichpeft methods` lists them"
        raise StudyError(unknown("method", part.name, methods(), fix=fix))
    return _make(methods()[part.name], part, text)


def _with_recipe(method: PeftMethod, part: PartName, text: str) -> Method:
    """Give a method of a file what its name says of the recipe; the rest is the file's to say."""
    hints = get_type_hints(type(method))
    for key, _ in part.options:
        if key not in RECIPE:
            raise StudyError(
                f"method {text!r}: {key} is what {part.name} says; change it there. A file's name takes "
                f"{', '.join(sorted(RECIPE))}"
            )
    values = {
        key: check_value(hints[key], value, f"method {text!r}: {key}") for key, value in part.options
    }
    made = dataclasses.replace(method, **values)
    _check_recipe(made, text)
    return made


def _make(method: type[Method], part: PartName, text: str) -> Method:
    hints = get_type_hints(method)
    fields = {
        field.name: hints[field.name]
        for field in dataclasses.fields(method)
        if field.name != "from_file"  # which a path gives
    }
    values: dict[str, Any] = {}
    for key, value in part.options:
        field = method.aliases.get(key, key)
        if field not in fields:
            known = [*fields, *method.aliases]
            fix = f"`whichpeft methods {part.name}` lists its options"
            hint = suggestion(key, known, fix=fix)
            raise StudyError(f"method {text!r}: {part.name} has no option {key!r}{hint}")
        if field in values:
            raise StudyError(f"method {text!r}: {field} is given twice")
        values[field] = check_value(fields[field], value, f"method {text!r}: {key}")
        if values[field] == ():
            raise StudyError(f"method {text!r}: {key} is an empty list; name something or leave it out")
    made = method(**values)
    _check_recipe(made, text)
    for key, value in values.items():
        # Most whole numbers are sizes; seeds and switches may be anything.
        counts = fields[key] in (int, int | None) and key not in method.uncounted
        if counts and value is not None and value < 1:
            raise StudyError(f"method {text!r}: {key} is {value}; it has to be 1 or more")
    return made


def _check_recipe(made: Method, text: str) -> None:
    for key in sorted(RECIPE):
        value = getattr(made, key) or 0.0
        if not 0 <= value < math.inf:
            raise StudyError(f"method {text!r}: {key} is {value}; it has to be 0 or more, and finite")


def resolve_methods(texts: Iterable[str]) -> dict[str, Method]:
    """Return the methods by their spelling, in order.

    Raises StudyError if a name is unknown or two spellings name the same method.
    """
    found: dict[str, Method] = {}
    spelled: dict[str, str] = {}
    for text in texts:
        method = resolve_method(text)
        other = spelled.setdefault(method.identity, text)
        if other != text:
            raise StudyError(f"methods {other!r} and {text!r} are the same method; keep one")
        found[text] = method
    return found
