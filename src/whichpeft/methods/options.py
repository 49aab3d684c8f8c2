"""Turns the options in a method's name into its fields, before anything heavy is loaded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from whichpeft.errors import StudyError, suggestion
from whichpeft.methods.method import Method
from whichpeft.methods.peft_method import RECIPE, PeftMethod
from whichpeft.study.names import CONFIG_FILE, PartName, format_value

# Options that people call by other words, with the fields that they may mean.
_MEANT = {
    "rank": ("r",),
    "r": ("rank",),
    "lr": ("learning_rate",),
    "wd": ("weight_decay",),
    "warmup": ("warmup_ratio",),
    "modules": ("target_modules",),
    "targets": ("target_modules",),
    "tokens": ("num_virtual_tokens",),
    "size": ("bottleneck",),
    "layers": ("k",),
}


def with_options(method: type[Method], part: PartName, text: str) -> Method:
    """Make a method with the options in its name.

    Parameters
    ----------
    method
        The class of the method.
    part
        The name with its options.
    text
        The whole name as written by the user, for messages.

    Raises
    ------
    StudyError
        If an option is unknown or given twice, or its value does not fit.
    """
    hints = get_type_hints(method)
    fields = {
        field.name: hints[field.name]
        for field in dataclasses.fields(method)
        if field.name != "from_file"  # only a path sets it
    }
    values: dict[str, Any] = {}
    for key, value in part.options:
        field = method.info.aliases.get(key, key)
        if field not in fields:
            known = [*fields, *method.info.aliases]
            raise StudyError(f"method {text!r}: {_no_option(method, part.name, key, known)}")
        if field in values:
            raise StudyError(f"method {text!r}: {field} is given twice")
        values[field] = check_value(fields[field], value, f"method {text!r}: {key}")
        if values[field] == ():
            raise StudyError(f"method {text!r}: {key} is an empty list; add a value or leave it out")
    made = method(**values)
    _check_recipe(made, text)
    for key, value in values.items():
        # Most whole numbers are sizes; seeds and switches may be anything.
        is_size = fields[key] in (int, int | None) and key not in method.info.may_be_zero
        if is_size and value is not None and value < 1:
            raise StudyError(f"method {text!r}: {key} is {value}; it has to be 1 or more")
    return made


def _no_option(method: type[Method], name: str, key: str, known: Iterable[str]) -> str:
    """Return why a method has no such option, and what to do instead."""
    if issubclass(method, PeftMethod):
        if key in method.peft.file_options:
            return (
                f"{key} cannot be typed, because only a config file can hold its values; set it in an "
                f"{CONFIG_FILE} and give the file's path as the method"
            )
        if key in method.peft.fixed:
            return f"{name} has {key}={format_value(method.peft.fixed[key])} always; leave it out"
        if key in method.peft.decided:
            return f"the backbone, the task or the trial decides {key}; leave it out"
    fix = f"`whichpeft methods {name}` lists its options"
    known = list(known)
    meant = next((field for field in _MEANT.get(key, ()) if field in known), None)
    if meant is not None:
        return f"{name} has no option {key!r}; did you mean {meant!r}? {fix[0].upper()}{fix[1:]}"
    return f"{name} has no option {key!r}{suggestion(key, known, fix=fix)}"


def with_recipe(method: PeftMethod, part: PartName, text: str) -> Method:
    """Return a method from a config file with the recipe options that follow the file's name.

    Parameters
    ----------
    method
        The method that the file describes.
    part
        The path of the file with its options.
    text
        The whole name as written by the user, for messages.

    Raises
    ------
    StudyError
        If an option is not part of the recipe, or its value does not fit.
    """
    hints = get_type_hints(type(method))
    for key, _ in part.options:
        if key not in RECIPE:
            raise StudyError(
                f"method {text!r}: {part.name} sets {key}; change it there. Only "
                f"{', '.join(sorted(RECIPE))} can follow a file's name"
            )
    values = {
        key: check_value(hints[key], value, f"method {text!r}: {key}") for key, value in part.options
    }
    made = dataclasses.replace(method, **values)
    _check_recipe(made, text)
    return made


def check_value(hint: Any, value: object, place: str) -> Any:
    """Return a value that fits a type. Raises StudyError, whose message begins with `place`."""
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"][0].lower() + first["msg"][1:]
        raise StudyError(f"{place} is {format_value(value)}, but {message}") from None


def _check_recipe(made: Method, text: str) -> None:
    for key in sorted(RECIPE):
        value = getattr(made, key) or 0.0
        if not 0 <= value < math.inf:
            raise StudyError(f"method {text!r}: {key} is {value}; it has to be finite and 0 or more")
    if made.warmup_ratio > 1:
        raise StudyError(
            f"method {text!r}: warmup_ratio is {made.warmup_ratio}; it is a share of the steps, 0 to 1"
        )
