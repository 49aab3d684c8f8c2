"""A method from an ``adapter_config.json``, taken as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whichpeft.errors import StudyError, nearest
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.peft_source import base_options, peft_configs

# What a file says of where it came from, and of the head that its task had.
_BOOKKEEPING = base_options() | {"modules_to_save"}


def read_config(path: str, methods: Iterable[type[Any]]) -> PeftMethod:
    """Read a PEFT config file as the method of its type among `methods`.

    Raises StudyError where there is no such file, or it is no config of the installed PEFT.
    """
    file = Path(path).expanduser()
    given = _read(file)
    peft_type = given.get("peft_type")
    kinds: dict[str, type[PeftMethod]] = {}
    for method in methods:
        if issubclass(method, PeftMethod):
            kinds.setdefault(method.peft_type, method)  # the plain method comes before its variants
    if not isinstance(peft_type, str):
        raise StudyError(f"{file}: has no peft_type, so it is no PEFT config")
    if peft_type.upper() not in kinds:
        raise StudyError(
            f"{file}: peft_type {peft_type!r} is none that the installed peft knows"
            f"{nearest(peft_type, [kind.lower() for kind in kinds])}"
        )
    kept = {key: value for key, value in given.items() if key not in _BOOKKEEPING}
    source = peft_configs().get(peft_type.upper())
    for key in kept:
        if source is not None and key not in source.options:
            raise StudyError(
                f"{file}: {source.name} has no option {key!r}{nearest(key, source.options)}"
            )
    text = json.dumps(kept, sort_keys=True)
    return kinds[peft_type.upper()](from_file=text)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = sorted(p.name for p in file.parent.glob("*.json")) if file.parent.is_dir() else []
        raise StudyError(f"{file}: no such file{nearest(file.name, there)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{file}: cannot be read: {error}") from None
    except ValueError as error:
        raise StudyError(f"{file}: is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise StudyError(f"{file}: holds no JSON object, so it is no PEFT config")
    return given
