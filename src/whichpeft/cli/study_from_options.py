"""Builds a study from a file, or the default one, and the options of a command."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpeft.errors import StudyError
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.study.seeds import AUTO


def study_to_run(
    path: Path | None, *, task: Sequence[str] | None, backbone: Sequence[str] | None
) -> Study:
    """Return the study of a file, else the default one for the given tasks, else the default study."""
    from whichpeft.running.default_study import DEFAULT, default_study

    if path is not None:
        return _read(path)
    if task:
        return default_study(task, backbone)
    # The small budget is for the default backbone only; others get the usual budget.
    return dataclasses.replace(DEFAULT, budget=Budget()) if backbone else DEFAULT


def study_to_plan(path: Path | None, *, task: Sequence[str] | None) -> Study:
    """Return the study of a file, else the default one for the given tasks, else one without a task."""
    from whichpeft.running.default_study import DEFAULT, default_study

    if path is not None:
        return _read(path)
    if task:
        return default_study(task)
    return dataclasses.replace(DEFAULT, name="plan", tasks=(), budget=Budget())


def override(
    study: Study,
    *,
    backbone: Sequence[str] | None,
    task: Sequence[str] | None,
    method: Sequence[str] | None,
    budget: Mapping[str, int | None],
    columns: Mapping[str, object],
    conditions: Mapping[str, object] | None = None,
    seeds: str | None = None,
    baseline: str | None = None,
) -> Study:
    """Return the study with the values of the options that are given.

    Raises StudyError if a value is wrong, or a method of the study.
    """
    from whichpeft.methods import resolve_methods

    changes: dict[str, Any] = {}
    if backbone:
        changes["backbones"] = tuple(backbone)
    if task:
        changes["tasks"] = tuple(TaskSource(name=name) for name in task)
    given = {key: value for key, value in columns.items() if value}
    if given:
        sources = changes.get("tasks", study.tasks)
        if len(sources) != 1:
            raise StudyError(f"--{next(iter(given)).replace('_', '-')}: needs exactly one --task")
        changes["tasks"] = (dataclasses.replace(sources[0], **given),)
    if method:
        changes["methods"] = tuple(method)
    if seeds is not None:
        if seeds != AUTO and not (seeds.isdecimal() and int(seeds) >= 1):
            raise StudyError(f"--seeds is {seeds}; it has to be 1 or more, or {AUTO}")
        changes["seeds"] = seeds if seeds == AUTO else int(seeds)
    if baseline is not None:
        changes["baseline"] = baseline
    changes |= {key: value for key, value in (conditions or {}).items() if value is not None}
    set_budget = {key: value for key, value in budget.items() if value is not None}
    if set_budget:
        changes["budget"] = dataclasses.replace(study.budget, **set_budget)
    found = dataclasses.replace(study, **changes)
    # Running loads torch, which takes seconds; a slip in a name ends before that.
    resolve_methods(found.methods)
    return found


def with_default_name(study: Study) -> Study:
    """Return the study with a name made from its task and backbone."""
    return dataclasses.replace(study, name="")


def _read(path: Path) -> Study:
    from whichpeft.study import load_study  # imports pydantic, which only a file needs

    return load_study(path)
