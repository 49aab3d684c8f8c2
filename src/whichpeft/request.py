"""Checks a request before anything heavy is loaded or run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.backbones import BACKBONES
from whichpeft.errors import FolderError, StudyError
from whichpeft.methods import UNTRAINED, Method, resolve_method
from whichpeft.records import Store
from whichpeft.study import Study
from whichpeft.study.names import with_paths
from whichpeft.study.spec import short_name
from whichpeft.tasks import TASKS, Task, load_task
from whichpeft.tracking import check_trackers

# What a folder's studies have to share; methods, seeds and the baseline may be added to.
_FIXED = (
    "backbones", "tasks", "budget", "precision", "threads", "same_targets", "gradient_checkpointing",
    "quantise", "shards", "packing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A study whose names, data and folder are in order.

    whole: the study with the methods and seeds that its folder held before.
    methods: the study's methods by how they were typed, in order.
    """

    study: Study
    whole: Study
    store: Store
    methods: Mapping[str, Method]
    tasks: tuple[Task, ...]


def check_request(study: Study, folder: Path, jobs: int | None = None) -> Request:
    """Check names, data and folder. Raises RequestError, naming the way out."""
    if jobs is not None and jobs < 1:
        raise StudyError(f"--jobs is {jobs}; it has to be 1 or more")
    if not study.tasks:
        raise StudyError(f"study {study.name!r}: tasks is empty; name at least one")
    check_trackers(study.track)
    study = _absolute(study)
    if UNTRAINED not in study.methods:
        study = dataclasses.replace(study, methods=(*study.methods, UNTRAINED))
    check_distinct({text: resolve_method(text) for text in study.methods})
    store = Store(folder)
    study, whole = _extend(store, study)
    methods = {text: resolve_method(text) for text in study.methods}
    tasks = tuple(load_task(source) for source in study.tasks)
    for kind, names in (
        ("tasks", [task.name for task in tasks]),
        ("backbones", [short_name(name) for name in study.backbones]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise StudyError(
                    f"study {study.name!r}: two {kind} are called {name!r}, so their records would mix; "
                    "give them studies of their own"
                )
    _check_writable(folder)
    return Request(study, whole, store, methods, tasks)


def keep_whole(request: Request) -> None:
    """Write the study of a request's folder, with what another process may have added meanwhile.

    Raises FolderError where that made it another study's.
    """
    _, whole = _extend(request.store, request.whole)
    request.store.keep_study(whole)


def check_distinct(methods: Mapping[str, Method]) -> None:
    """Raise StudyError where two spellings name one method."""
    seen: dict[str, str] = {}
    for text, method in methods.items():
        other = seen.setdefault(method.identity, text)
        if other != text:
            raise StudyError(f"methods {other!r} and {text!r} are the same method; keep one")


def _extend(store: Store, study: Study) -> tuple[Study, Study]:
    """Join a study to the one its folder holds, or raise FolderError where they do not fit.

    Returns the study, its methods spelled as the folder has them, and the whole. Two spellings of one
    method are one method; the folder's stands, since a search leaves alone what was typed.
    """
    if not store.study_file.exists():
        if store.fingerprints():
            raise FolderError(f"{store.folder}: holds records but no study.yaml; choose another --out")
        return study, study
    held = store.study()
    differing = [key for key in _FIXED if _essence(held, key) != _essence(study, key)]
    if differing:
        key = differing[0]
        raise FolderError(
            f"{store.folder}: belongs to another study: its {', '.join(differing)} differ "
            f"({key} there: {_essence(held, key)}; now: {_essence(study, key)}); "
            "choose another folder with --out"
        )
    spelled = {resolve_method(text).identity: text for text in held.methods}
    own = tuple(spelled.get(resolve_method(text).identity, text) for text in study.methods)
    trained = [text for text in (*held.methods, *own) if text != UNTRAINED]
    whole = dataclasses.replace(
        study,
        name=held.name,
        baseline=study.baseline if study.baseline != "full" else held.baseline,
        methods=(*dict.fromkeys(trained), UNTRAINED),
        seeds=tuple(sorted({*held.seeds, *study.seeds})),
    )
    return dataclasses.replace(study, methods=own), whole


def _essence(study: Study, key: str) -> object:
    """Return what has to agree: names without the folders that lead to them."""
    value = getattr(study, key)
    if key == "backbones":
        return tuple(short_name(name) for name in value)
    if key == "tasks":
        return tuple(
            (
                *(short_name(t.name), t.text_columns, t.label_column, t.problem, t.metric),
                *(t.prompt, tuple(t.verbaliser.items()), t.sets),
            )
            for t in value
        )
    return value


def _absolute(study: Study) -> Study:
    """Make existing paths absolute, so that the study kept in the folder works from anywhere."""

    def settle(name: str) -> str:
        path = Path(name).expanduser()
        return str(path.resolve()) if path.exists() and name not in {*TASKS, *BACKBONES} else name

    tasks = []
    for source in study.tasks:
        changes: dict[str, Any] = {
            key: settle(value)
            for key in ("name", "train", "validation", "test", "held_out", "folder")
            if (value := getattr(source, key))
        }
        tasks.append(dataclasses.replace(source, **changes))
    backbones = tuple(settle(name) for name in study.backbones)
    methods = tuple(with_paths(text, settle) for text in study.methods)
    return dataclasses.replace(study, tasks=tuple(tasks), backbones=backbones, methods=methods)


def _check_writable(folder: Path) -> None:
    """Raise FolderError where the folder could not be written; makes nothing yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise FolderError(f"{there}: is a file, so {folder} cannot be a folder; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FolderError(f"{there}: cannot be written to; choose another folder with --out")
