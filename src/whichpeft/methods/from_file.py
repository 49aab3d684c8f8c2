"""A method from an ``adapter_config.json``, which is used as it is.

What belongs to the base model of the file, such as its number of layers, is the backbone's here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import ConfigFileError, StudyError, suggestion
from whichpeft.methods.file_fields import changes_nothing
from whichpeft.methods.method import Method
from whichpeft.methods.options import check_value
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.peft_source import base_options, peft_configs
from whichpeft.study.names import CONFIG_FILE


def read_config(path: str, methods: Iterable[type[Method]]) -> PeftMethod:
    """Read a PEFT config file and return the method among `methods` that it describes.

    Parameters
    ----------
    path
        The file, or a folder with an ``adapter_config.json``.
    methods
        The methods that are known.

    Raises
    ------
    ConfigFileError
        If the file does not exist or is not a config of the installed PEFT.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        file /= CONFIG_FILE
    given = _read(file)
    peft_type = given.get("peft_type")
    kinds: dict[str, list[type[PeftMethod]]] = {}
    for method in methods:
        if issubclass(method, PeftMethod):
            kinds.setdefault(method.peft.peft_type, []).append(method)
    if not isinstance(peft_type, str):
        raise ConfigFileError(f"{file}: is not a PEFT config: it has no peft_type; add one such as LORA")
    if peft_type.upper() not in kinds:
        known = [kind.lower() for kind in kinds]
        raise ConfigFileError(
            f"{file}: the installed peft has no peft_type {peft_type!r}"
            f"{suggestion(peft_type, known, fix='update peft, or leave the file out')}"
        )
    kept = {key: value for key, value in given.items() if not _is_bookkeeping(key, value)}
    method = _closest(kinds[peft_type.upper()], kept)
    kept = _checked(file, kept, peft_type.upper(), method)
    return method(from_file=json.dumps(kept, sort_keys=True))


def _is_bookkeeping(key: str, value: object) -> bool:
    """Whether a field only says where the file came from, or asks for no module to be saved."""
    return key in base_options() or (key == "modules_to_save" and not value)


def _closest(kinds: Sequence[type[PeftMethod]], given: Mapping[str, object]) -> type[PeftMethod]:
    """Return the variant whose fixed fields are all in the file, else the plain one, the first."""
    agreeing = [k for k in kinds if all(given.get(key) == v for key, v in k.peft.fixed.items())]
    return max(agreeing, key=lambda kind: len(kind.peft.fixed), default=kinds[0])


def _checked(
    file: Path, given: Mapping[str, Any], peft_type: str, method: type[PeftMethod]
) -> dict[str, Any]:
    """Check keys and values, and return them as PEFT expects them. Raises ConfigFileError."""
    source = peft_configs().get(peft_type)
    known: dict[str, Any]
    if source is None:  # one of our tuners: its config class lists its fields
        known = {field.name: None for field in dataclasses.fields(method().config_class())}
    else:
        known = {name: option.hint for name, option in source.options.items()}
    checked = dict(given)
    for key, value in given.items():
        if key not in known:
            if changes_nothing(value):
                continue  # a note of the method says so
            hint = suggestion(key, known, fix="remove it, or update peft")
            raise ConfigFileError(f"{file}: {method.peft.config} has no option {key!r}{hint}")
        if isinstance(value, float) and known[key] in (int, int | None):
            if "alpha" in key:
                continue  # PEFT only divides by it
            if value.is_integer():
                checked[key] = value = int(value)
        if known[key] is not None and value is not None and not isinstance(value, dict):
            as_read = tuple(value) if isinstance(value, list) else value
            try:
                check_value(known[key], as_read, f"{file}: {key}")
            except StudyError as error:
                raise ConfigFileError(str(error)) from None
    return checked


def _read(file: Path) -> Mapping[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigFileError(f"{file}: no such file{_what_is_there(file)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{file}: cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(f"{file}: is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigFileError(f"{file}: is not a PEFT config: expected a JSON object")
    return given


def _what_is_there(file: Path) -> str:
    there = sorted(p.name for p in file.parent.glob("*.json")) if file.parent.is_dir() else []
    return suggestion(file.name, there, fix="give the path of an adapter_config.json")
