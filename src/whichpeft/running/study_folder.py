"""The run folder of a study: which study it belongs to, what extends it, and what it refuses."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from whichpeft.errors import FolderError
from whichpeft.methods import UNTRAINED, resolve_method
from whichpeft.planning import Cell
from whichpeft.records import Store
from whichpeft.study import Study
from whichpeft.study.conditions import condition_infos
from whichpeft.study.spec import short_name


def extend_study(store: Store, study: Study) -> tuple[Study, Study]:
    """Join a study to the one its folder holds, or raise FolderError where they do not fit.

    Returns the study, its methods spelled as the folder has them, and the whole. Two spellings of one
    method are one method; the folder's stands, since a search leaves alone what was typed.
    """
    if not store.study_file.exists():
        if store.fingerprints():
            raise FolderError(f"{store.folder}: holds records but no study.yaml; choose another --out")
        return study, study
    held = store.study()
    there, now = _fixed(held), _fixed(study)
    differing = [key for key in there if there[key] != now[key]]
    if differing:
        key = differing[0]
        raise FolderError(
            f"{store.folder}: belongs to another study: its {', '.join(differing)} differ "
            f"({key} there: {there[key]}; now: {now[key]}); "
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


def _fixed(study: Study) -> dict[str, object]:
    """Return what the studies of a folder have to share; names count without the folders before them.

    Methods, seeds and the baseline may be added to.
    """
    tasks = tuple(
        (
            *(short_name(t.name), t.text_columns, t.label_column, t.problem, t.metric),
            *(t.prompt, tuple(t.verbaliser.items()), t.sets),
        )
        for t in study.tasks
    )
    backbones = tuple(short_name(name) for name in study.backbones)
    shared = {"backbones": backbones, "tasks": tasks, "budget": study.budget}
    return shared | {name: getattr(study.conditions, name) for name, _ in condition_infos()}


def keep_study(store: Store, whole: Study) -> None:
    """Write a folder's study, with what another process may have added in the meantime.

    Raises FolderError if that made the folder belong to another study.
    """
    _, whole = extend_study(store, whole)
    store.keep_study(whole)


def check_same_data(store: Store, cells: Iterable[Cell]) -> None:
    """Raise FolderError if the folder's records come from other data or another model's weights."""
    now = {
        (cell.backbone.name, cell.task.name): (cell.backbone.revision, cell.task.fingerprint)
        for cell in cells
    }
    for record in store:
        trial = record.trial
        revision, data = now.get((trial.backbone, trial.task), (trial.backbone_revision, trial.data))
        if (revision, data) != (trial.backbone_revision, trial.data):
            changed = trial.task if data != trial.data else trial.backbone
            raise FolderError(
                f"{store.folder}: its records are of another {changed}: the content has changed since; "
                "choose another folder with --out"
            )


def check_writable(folder: Path) -> None:
    """Raise FolderError where the folder could not be written; makes nothing yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise FolderError(f"{there}: is a file, so {folder} cannot be a folder; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FolderError(f"{there}: cannot be written to; choose another folder with --out")
