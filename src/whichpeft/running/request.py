"""Checks a request before any model is loaded or trial is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.backbones import BACKBONES
from whichpeft.errors import StudyError
from whichpeft.methods import UNTRAINED, Method, resolve_methods
from whichpeft.records import Record, Store
from whichpeft.records.selection import SEARCH_SEED, search_seed
from whichpeft.running.resume import check_writable, extend_study
from whichpeft.study import Study, all_seeds
from whichpeft.study.names import with_paths
from whichpeft.study.seeds import Seeds
from whichpeft.study.spec import short_name
from whichpeft.tasks import TASKS, Task, load_task
from whichpeft.tracking import check_trackers


@dataclass(frozen=True, slots=True)
class Request:
    """A study whose names, data and folder have been checked."""

    study: Study
    """The study to run, with absolute paths."""
    whole: Study
    """The study together with the methods and seeds that its folder already has."""
    asked_seeds: Seeds
    """The seeds that were asked for, whatever the folder has."""
    store: Store
    """The run folder."""
    methods: Mapping[str, Method]
    """The study's methods by name as written by the user, in order."""
    tasks: tuple[Task, ...]
    """The study's tasks, loaded."""
    search_seed: int
    """The seed that its searches train on."""


def check_request(study: Study, folder: Path, jobs: int | None = None) -> Request:
    """Check names, data and folder. Raises RequestError, whose message names a fix."""
    if jobs is not None and jobs < 1:
        raise StudyError(f"--jobs is {jobs}; it has to be 1 or more")
    if not study.tasks:
        raise StudyError(f"study {study.name!r}: tasks is empty; name at least one")
    if not study.methods:
        raise StudyError(
            f"study {study.name!r}: methods is empty; name at least one, or race all: `whichpeft auto`"
        )
    check_trackers(study.track)
    study = _absolute(study)
    resolve_methods(study.methods)
    if UNTRAINED not in study.methods:
        study = dataclasses.replace(study, methods=(*study.methods, UNTRAINED))
    store = Store(folder)
    asked_seeds = study.seeds
    study, whole = extend_study(store, study)
    seed = search_seed(record for record in store.each() if isinstance(record, Record))
    if study.budget.tuning_trials and seed == SEARCH_SEED and seed in all_seeds(whole.seeds):
        raise StudyError(
            f"study {study.name!r}: seeds names {seed}, which is kept for searches: a final trial with "
            "it would repeat the run that won the search; give another seed"
        )
    methods = resolve_methods(study.methods)
    tasks = tuple(load_task(source) for source in study.tasks)
    for kind, names in (
        ("tasks", [task.name for task in tasks]),
        ("backbones", [short_name(name) for name in study.backbones]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise StudyError(
                    f"study {study.name!r}: two {kind} are called {name!r} and their records would mix; "
                    "give each a study of its own"
                )
    check_writable(folder)
    return Request(study, whole, asked_seeds, store, methods, tasks, seed)


def _absolute_path(name: str) -> str:
    """Return an absolute path, also of a file that is missing: a study refuses it until it is there."""
    return str(Path(name).expanduser().resolve())


def _absolute(study: Study) -> Study:
    """Make existing paths absolute, so that the study in the run folder works from any directory."""

    def absolute(name: str) -> str:
        path = Path(name).expanduser()
        return str(path.resolve()) if path.exists() and name not in {*TASKS, *BACKBONES} else name

    tasks = []
    for source in study.tasks:
        changes: dict[str, Any] = {
            key: absolute(value)
            for key in ("name", "train", "validation", "test", "held_out", "folder")
            if (value := getattr(source, key))
        }
        tasks.append(dataclasses.replace(source, **changes))
    backbones = tuple(absolute(name) for name in study.backbones)
    methods = tuple(with_paths(text, _absolute_path) for text in study.methods)
    return dataclasses.replace(study, tasks=tuple(tasks), backbones=backbones, methods=methods)
