"""From a record back to what it was made with: the method as it was set, its backbone, its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whichpeft.backbones import BACKBONES, Backbone, resolve_backbone
from whichpeft.backbones.resolve import MINILM_HUB_ID
from whichpeft.errors import FolderError
from whichpeft.methods import Method, resolve_method
from whichpeft.study import Study, TaskSource, Trial
from whichpeft.study.spec import short_name
from whichpeft.tasks import Task, load_task


@dataclass(frozen=True, slots=True)
class Settled:
    """What a trial was made with. source: as the study names the task."""

    trial: Trial
    method: Method
    backbone: Backbone
    backbone_source: str
    task: Task
    source: TaskSource


def settle(trial: Trial, study: Study) -> Settled:
    """Find again what a trial was made with.

    Raises RequestError where the backbone, the data or a method's file is not there any more, and
    FolderError where the method means something else by now.
    """
    name = _named(trial.backbone, study.backbones)
    source = source_of(trial.task, study)
    backbone = resolve_backbone(name, weights=False)
    return Settled(
        trial=trial,
        method=_method(trial, backbone),
        backbone=backbone,
        backbone_source=_source(name, backbone),
        task=load_task(source),
        source=source,
    )


def source_of(task: str, study: Study) -> TaskSource:
    """Return the task of a study that its records call by this name."""
    return next(source for source in study.tasks if task in (source.name, short_name(source.name)))


def backbone_source(backbone: str, study: Study) -> str:
    """Return what transformers finds a backbone of a study by: a hub id or a folder."""
    name = _named(backbone, study.backbones)
    return _source(name, resolve_backbone(name, weights=False))


def _named(shown: str, names: tuple[str, ...]) -> str:
    return next(name for name in names if shown in (name, short_name(name)))


def _method(trial: Trial, backbone: Backbone) -> Method:
    """Return the trial's method with its hyperparameters, which a search may have chosen."""
    method = resolve_method(trial.method)
    usual = method.resolved_for(backbone)
    chosen = dict(_differing(usual.hyperparameters, trial.hyperparameters))
    try:
        settled = method.with_options(chosen).resolved_for(backbone)
    except TypeError:
        settled = usual
    if dict(_differing(settled.hyperparameters, trial.hyperparameters)):
        raise FolderError(
            f"method {trial.method!r}: its options are not those it was run with any more "
            f"({', '.join(chosen)}); run the study again with this version"
        )
    return settled


def _differing(
    now: Mapping[str, Any], then: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Go through the hyperparameters that another value is on record of; a part's by ``part.key``."""
    for key, value in then.items():
        if isinstance(value, Mapping) and isinstance(now.get(key), Mapping):
            yield from _differing(now[key], value, f"{key}.")
        elif now.get(key) != value:
            yield f"{prefix}{key}", tuple(value) if isinstance(value, list) else value


def _source(name: str, backbone: Backbone) -> str:
    """Return what transformers finds a backbone by: a hub id or a folder."""
    if name == "minilm":
        return MINILM_HUB_ID
    return str(backbone.files) if name in BACKBONES else name
