"""Studies in YAML: strict reading, and writing back what was read."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from whichpeft.errors import StudyError, unknown
from whichpeft.study.names import with_paths
from whichpeft.study.spec import Budget, Study, TaskSource


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _as_column(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Column = Annotated[str, BeforeValidator(_as_column)]
_Count = Annotated[int, Field(ge=1)]


class _Budget(_Strict):
    epochs: _Count = 3
    max_train: _Count | None = None
    batch_size: _Count = 16
    early_stopping: _Count | None = None
    tuning_trials: int = 0
    micro_batch: _Count | None = None


class _Task(_Strict):
    name: str
    text_columns: list[_Column] = []
    label_column: _Column | None = None
    problem: Literal["classification", "regression", "generation"] | None = None
    metric: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    prompt: str | None = None
    verbaliser: dict[_Column, str] = {}
    held_out: str | None = None
    folder: str | None = None
    sets: list[str] = []


class _Study(_Strict):
    name: str = ""
    backbones: list[str]
    tasks: list[str | _Task] = []
    methods: list[str]
    seeds: list[int] = [0, 1, 2]
    budget: _Budget = _Budget()
    precision: str = "auto"
    threads: int = 1
    same_targets: bool = True
    gradient_checkpointing: bool = False
    quantise: str | None = None
    shards: int = 1
    packing: bool = False
    baseline: str = "full"
    track: list[str] = []


def load_study(path: Path) -> Study:
    """Read a study file.

    Paths of tasks and backbones in it are taken from the file's own folder. Raises StudyError,
    naming the file, the key and the way out.
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
    try:
        read = _Study.model_validate(raw)
    except ValidationError as error:
        raise StudyError(_explain(path, error)) from None
    try:
        return Study(
            name=read.name or path.stem,
            backbones=tuple(_beside(path, name) for name in read.backbones),
            tasks=tuple(_source(path, task) for task in read.tasks),
            methods=tuple(with_paths(text, partial(_beside, path)) for text in read.methods),
            seeds=tuple(read.seeds),
            budget=Budget(**read.budget.model_dump()),
            precision=read.precision,
            threads=read.threads,
            same_targets=read.same_targets,
            gradient_checkpointing=read.gradient_checkpointing,
            quantise=read.quantise,
            shards=read.shards,
            packing=read.packing,
            baseline=read.baseline,
            track=tuple(read.track),
        )
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
            "seeds": list(study.seeds),
            "budget": dataclasses.asdict(study.budget),
            "precision": study.precision,
            "threads": study.threads,
            "same_targets": study.same_targets,
            "gradient_checkpointing": study.gradient_checkpointing,
            "quantise": study.quantise,
            "shards": study.shards,
            **({"packing": True} if study.packing else {}),
            "baseline": study.baseline,
            **({"track": list(study.track)} if study.track else {}),
        },
        sort_keys=False,
        allow_unicode=True,
    )


def _task_as_yaml(task: TaskSource) -> str | dict[str, Any]:
    given = {key: value for key, value in dataclasses.asdict(task).items() if value}
    for key in ("text_columns", "sets"):
        if key in given:
            given[key] = list(given[key])
    return task.name if list(given) == ["name"] else given


def _source(path: Path, task: str | _Task) -> TaskSource:
    if isinstance(task, str):
        return TaskSource(name=_beside(path, task))
    fields = task.model_dump()
    for key in ("text_columns", "sets"):
        fields[key] = tuple(fields[key])
    if fields["folder"] is not None:  # never a name, so that it is looked for beside the study alone
        fields["folder"] = str(Path(path.parent, Path(fields["folder"]).expanduser()).resolve())
    for key in ("name", "train", "validation", "test", "held_out"):
        if fields[key] is not None:
            fields[key] = _beside(path, fields[key])
    return TaskSource(**fields)


def _beside(path: Path, name: str) -> str:
    """Resolve a relative path against the study file's folder; leave every other name alone."""
    if name.startswith(("./", "../", "~")) or Path(name).suffix or (path.parent / name).exists():
        found = Path(path.parent, Path(name).expanduser())
        if found.exists() or name.startswith((".", "~")):
            return str(found.resolve())
    return name


def _explain(path: Path, error: ValidationError) -> str:
    """Turn the first of pydantic's complaints into one line: file, key, way out."""
    # A task may be a name or a mapping: of a mapping, the complaint that it is no name is idle.
    found = error.errors(include_url=False)
    idle = [e for e in found if e["loc"][-1] == "str" and isinstance(e["input"], dict)]
    # A key that is missing has most likely been mistyped: what was typed says more.
    telling = sorted((e for e in found if e not in idle), key=lambda e: e["type"] == "missing")
    first = next(iter(telling), found[0])
    where = [str(part) for part in first["loc"] if part != _Task.__name__]  # which pydantic puts in
    if first["type"] == "extra_forbidden":
        *section, key = where
        models: dict[str, type[BaseModel]] = {"budget": _Budget, "tasks": _Task}
        model = models.get(section[0] if section else "", _Study)
        inside = f" [{'.'.join(section)}]" if section else ""
        known = list(model.model_fields)
        fix = f"the keys are {', '.join(known)}"
        return f"{path}{inside}: {unknown('key', key, known, fix=fix)}"
    if first["type"] == "missing":
        return f"{path}: the key {'.'.join(where)!r} is missing; it is needed"
    given = repr(first["input"])
    given = given if len(given) <= 80 else f"{given[:80]}..."
    return f"{path} [{'.'.join(where)}]: {first['msg']}, but it is {given}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
