"""Studies in YAML: strict reading, and writing that reads back to the same study.

The readers are made from the dataclasses themselves, so a new field needs no edit here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from whichpeft.errors import StudyError, unknown
from whichpeft.study.auto import AutoOptions
from whichpeft.study.conditions import Conditions
from whichpeft.study.names import with_paths
from whichpeft.study.seeds import Seeds, written_seeds
from whichpeft.study.spec import Budget, Column, Study, TaskSource


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _reader(
    spec: type, types: Mapping[Any, object], parts: Mapping[str, type] | None = None
) -> type[BaseModel]:
    """Make a strict reader for the fields of a dataclass.

    Parameters
    ----------
    spec
        The dataclass.
    types
        The types that have another type in a file, and that type.
    parts
        Fields that are dataclasses whose own fields are written in their place.
    """
    hints = get_type_hints(spec, include_extras=True)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(spec):
        if parts and field.name in parts:
            inner = _reader(parts[field.name], types)
            found |= {key: (info.annotation, info) for key, info in inner.model_fields.items()}
            continue
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        found[field.name] = (_as_written(hints[field.name], types), ... if needed else None)
    return create_model(spec.__name__, __config__=ConfigDict(extra="forbid", strict=True), **found)


def _as_written(kind: object, types: Mapping[Any, object]) -> object:
    """Return the type that a field has in a file: lists for tuples, mappings for specs."""
    if kind in types:
        return types[kind]
    inner = tuple(_as_written(argument, types) for argument in get_args(kind))
    origin = get_origin(kind)
    if origin is tuple:
        return list[inner[0]]  # type: ignore[valid-type]
    if origin is Mapping:
        return dict[inner]  # type: ignore[misc, valid-type]
    return Union[inner] if origin in (Union, UnionType) else kind  # noqa: UP007


_COLUMN = {Column: Annotated[str, BeforeValidator(_as_text)]}
_BudgetFile = _reader(Budget, {})
_TaskFile = _reader(TaskSource, _COLUMN)
_StudyFile = _reader(
    Study,
    {
        Budget: _BudgetFile,
        TaskSource: Union[str, _TaskFile],  # noqa: UP007
        Seeds: Any,  # `read_seeds` checks them
        AutoOptions: dict[str, Any],  # `read_auto` checks them
    },
    {"conditions": Conditions},
)


def load_study(path: Path) -> Study:
    """Read a study file. Relative paths in it start at the file's own folder.

    Raises
    ------
    StudyError
        If the file cannot be read; the message names the file, the key and the fix.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such study file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path}: not valid YAML: {_one_line(error)}") from None
    if not isinstance(raw, dict):
        raise StudyError(f"{path}: a study is a mapping with keys such as backbones, tasks, methods")
    if "auto" in raw:  # it races all methods that apply if none are named
        raw = {"methods": [], **raw}
    try:
        read = _StudyFile.model_validate(raw).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise StudyError(_explain(path, error)) from None
    read["name"] = read.get("name") or path.stem
    read["backbones"] = [_resolve_path(path, name) for name in read["backbones"]]
    read["methods"] = [with_paths(text, partial(_resolve_path, path)) for text in read["methods"]]
    try:
        read["tasks"] = [_source(path, task) for task in read.get("tasks", ())]
        if "budget" in read:
            read["budget"] = Budget(**read["budget"])
        return Study(**read)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None


def dump_study(study: Study) -> str:
    """Write a study as YAML that `load_study` reads back to the same study."""
    return yaml.safe_dump(
        {
            "name": study.name,
            "backbones": list(study.backbones),
            "tasks": [_task_as_yaml(task) for task in study.tasks],
            "methods": list(study.methods),
            "seeds": written_seeds(study.seeds),
            "budget": dataclasses.asdict(study.budget),
            **study.conditions.written("study"),
            "baseline": study.baseline,
            **({"track": list(study.track)} if study.track else {}),
            **({} if study.auto is None else {"auto": study.auto.written()}),
        },
        sort_keys=False,
        allow_unicode=True,
    )


def _task_as_yaml(task: TaskSource) -> str | dict[str, object]:
    given = {key: value for key, value in dataclasses.asdict(task).items() if value}
    for key in ("text_columns", "sets"):
        if key in given:
            given[key] = list(given[key])
    return task.name if list(given) == ["name"] else given


def _source(path: Path, task: str | dict[str, Any]) -> TaskSource:
    given: dict[str, Any] = {"name": task} if isinstance(task, str) else dict(task)
    for key in ("text_columns", "sets"):
        if key in given:
            given[key] = tuple(given[key])
    if given.get("folder") is not None:  # never a known name, so always a path
        given["folder"] = str(Path(path.parent, Path(given["folder"]).expanduser()).resolve())
    for key in ("name", "train", "validation", "test", "held_out"):
        if given.get(key) is not None:
            given[key] = _resolve_path(path, given[key])
    return TaskSource(**given)


def _resolve_path(path: Path, name: str) -> str:
    """Resolve a relative path against the study file's folder; leave every other name alone."""
    if name.startswith(("./", "../", "~")) or Path(name).suffix or (path.parent / name).exists():
        found = Path(path.parent, Path(name).expanduser())
        if found.exists() or name.startswith((".", "~")):
            return str(found.resolve())
    return name


def _explain(path: Path, error: ValidationError) -> str:
    """Turn the most useful of pydantic's errors into one line with the file, the key and the fix."""
    # A task may be a name or a mapping. For a mapping, the error that it is not a name is useless.
    found = error.errors(include_url=False)
    useless = [e for e in found if e["loc"][-1] == "str" and isinstance(e["input"], dict)]
    # A missing key has most likely been misspelt; the unknown key explains more.
    useful = sorted((e for e in found if e not in useless), key=lambda e: e["type"] == "missing")
    first = next(iter(useful), found[0])
    key_path = [str(part) for part in first["loc"] if part != _TaskFile.__name__]  # pydantic's own part
    if first["type"] == "extra_forbidden":
        *section, key = key_path
        models: dict[str, type[BaseModel]] = {"budget": _BudgetFile, "tasks": _TaskFile}
        model = models.get(section[0] if section else "", _StudyFile)
        inside = f" [{'.'.join(section)}]" if section else ""
        known = list(model.model_fields)
        fix = f"the keys are {', '.join(known)}"
        return f"{path}{inside}: {unknown('key', key, known, fix=fix)}"
    if first["type"] == "missing":
        return f"{path}: the key {'.'.join(key_path)!r} is missing; add it"
    given = repr(first["input"])
    given = given if len(given) <= 80 else f"{given[:80]}..."
    return f"{path} [{'.'.join(key_path)}]: {first['msg']}, but it is {given}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
