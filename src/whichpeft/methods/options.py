"""Checks the value of one option, before anything heavy is loaded."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from whichpeft.errors import StudyError
from whichpeft.study.names import format_value


def check_value(hint: Any, value: Any, where: str) -> Any:
    """Return a value that fits a type. Raises StudyError, which begins with `where`."""
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"][0].lower() + first["msg"][1:]
        raise StudyError(f"{where} is {format_value(value)}, but {message}") from None
