"""A method from an ``adapter_config.json``, which is used as it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import StudyError, suggestion
from whichpeft.methods.method import Method
from whichpeft.methods.options import check_value
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.peft_source import base_options, peft_configs

# Fields about where a file came from and about the head of its task.
_BOOKKEEPING = base_options() | {"modules_to_save"}


def read_config(path: str, methods: Iterable[type[Method]]) -> PeftMethod:
    """Read a PEFT config file and return the method among `methods` that it describes.

    Raises
    ------
    StudyError
        If the file does not exist or is not a config of the installed PEFT.
    """
    file = Path(path).expanduser()
    given = _read(file)
    peft_type = given.get("peft_type")
    kinds: dict[str, list[type[PeftMethod]]] = {}
    for method in methods:
        if issubclass(method, PeftMethod):
            kinds.setdefault(method.peft.peft_type, []).append(method)
    if not isinstance(peft_type, str):
        raise StudyError(f"{file}: is not a PEFT config: it has no peft_type")
    if peft_type.upper() not in kinds:
        raise StudyError(
            f"{file}: the installed peft has no peft_type {peft_type!r}"
            f"{suggestion(peft_type, [kind.lower() for kind in kinds], fix='')}"
        )
    kept = {key: value for key, value in given.items() if key not in _BOOKKEEPING}
    method = _closest(kinds[peft_type.upper()], kept)
    _check(file, kept, peft_type.upper(), method)
    return method(from_file=json.dumps(kept, sort_keys=True))


def _closest(kinds: Sequence[type[PeftMethod]], given: Mapping[str, object]) -> type[PeftMethod]:
    """Return the variant whose fixed fields are all in the file, else the plain one, the first."""
    agreeing = [k for k in kinds if all(given.get(key) == v for key, v in k.peft.fixed.items())]
    return max(agreeing, key=lambda kind: len(kind.peft.fixed), default=kinds[0])


def _check(file: Path, given: Mapping[str, object], peft_type: str, method: type[PeftMethod]) -> None:
    """Check keys and values. Raises StudyError."""
    source = peft_configs().get(peft_type)
    known: dict[str, Any]
    if source is None:  # one of our tuners: its config class lists its fields
        known = {field.name: None for field in dataclasses.fields(method().config_class())}
    else:
        known = {name: option.hint for name, option in source.options.items()}
    for key, value in given.items():
        if key not in known:
            hint = suggestion(key, known, fix="")
            raise StudyError(f"{file}: {method.peft.config} has no option {key!r}{hint}")
        if known[key] is not None and value is not None and not isinstance(value, dict):
            check_value(known[key], tuple(value) if isinstance(value, list) else value, f"{file}: {key}")


def _read(file: Path) -> Mapping[str, object]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = sorted(p.name for p in file.parent.glob("*.json")) if file.parent.is_dir() else []
        raise StudyError(f"{file}: no such file{suggestion(file.name, there, fix='')}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{file}: cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{file}: is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise StudyError(f"{file}: is not a PEFT config: expected a JSON object")
    return given
