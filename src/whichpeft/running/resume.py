"""Resuming a study in its run folder: which study may extend the folder, and which trials are left.

A trial that was interrupted resumes from its checkpoint: see `whichpeft.engine.checkpoint`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from whichpeft.backbones.folder import earlier_revision
from whichpeft.errors import FolderError
from whichpeft.methods import UNTRAINED, read_method
from whichpeft.planning import Cell
from whichpeft.records import Store
from whichpeft.study import Study, Trial, UntilDecided
from whichpeft.study.conditions import condition_infos
from whichpeft.study.names import parse_method
from whichpeft.study.seeds import join_seeds
from whichpeft.study.spec import short_name

_TASK_KEYS = ("text_columns", "label_column", "problem", "metric", "prompt", "verbaliser", "sets")


def without_record(trials: Iterable[tuple[Trial, Cell]], store: Store) -> list[tuple[Trial, Cell]]:
    """Return the trials that are left to run, each with its cell: those that have no record."""
    done = store.fingerprints()
    return [(trial, cell) for trial, cell in trials if trial.fingerprint not in done]


def extend_study(store: Store, study: Study) -> tuple[Study, Study]:
    """Extend the study of a folder by another one. Raises FolderError if they do not fit together.

    Returns
    -------
    study
        The given study, its methods spelled as in the folder. Two spellings of one method are one
        method; the folder's is kept, since a search does not tune options that were given explicitly.
    whole
        Both studies together.
    """
    if not store.study_file.exists():
        if store.fingerprints():
            raise FolderError(
                f"{store.folder}: contains records but no study.yaml; choose another folder with --out"
            )
        return study, study
    kept = store.study()
    there, now = _fixed(kept), _fixed(study)
    # An option of a task that only one of them has says no more than the tasks' names.
    differing = [key for key in there if key in now and there[key] != now[key]]
    if differing:
        told = "; ".join(f"{key}: {there[key]} there, {now[key]} now" for key in differing)
        raise FolderError(
            f"{store.folder}: belongs to another study ({told}); choose another folder with --out"
        )
    spelled = {read_method(text).identity: text for text in kept.methods}
    own = tuple(spelled.get(read_method(text).identity, text) for text in study.methods)
    trained = [text for text in (*kept.methods, *own) if text != UNTRAINED]
    whole = dataclasses.replace(
        study,
        name=kept.name,
        baseline=study.baseline if study.baseline != "full" else kept.baseline,
        methods=(*dict.fromkeys(trained), UNTRAINED),
        seeds=join_seeds(kept.seeds, study.seeds),
    )
    # Seeds cannot go until methods are decided if the folder has seeds beyond their limit.
    fixed = isinstance(study.seeds, UntilDecided) and not isinstance(whole.seeds, UntilDecided)
    seeds = whole.seeds if fixed else study.seeds
    return dataclasses.replace(study, methods=own, seeds=seeds), whole


def _fixed(study: Study) -> dict[str, str]:
    """Return what all studies of a folder must share, in words; names are compared without folders.

    Methods and seeds may be added, and the baseline may change.
    """
    names = [short_name(task.name) for task in study.tasks]
    values = {
        "backbones": tuple(short_name(name) for name in study.backbones),
        "tasks": tuple(names),
        **{
            f"{key} of {name}": getattr(task, key)
            for name, task in zip(names, study.tasks, strict=True)
            for key in _TASK_KEYS
        },
        **{field.name: getattr(study.budget, field.name) for field in dataclasses.fields(study.budget)},
        **{name: getattr(study.conditions, name) for name, _ in condition_infos()},
    }
    return {key: _words(value) for key, value in values.items()}


def _words(value: object) -> str:
    """Write a value of a study as a person would: ``none``, ``yes``, ``a, b``, ``good=1``."""
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={inner}" for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def keep_study(store: Store, whole: Study) -> None:
    """Write a folder's study, including what another process has added in the meantime.

    Raises FolderError if the folder has come to belong to another study.
    """
    _, whole = extend_study(store, whole)
    store.keep_study(whole)


def check_same_data(store: Store, cells: Iterable[Cell]) -> None:
    """Raise FolderError if the folder's records are of other data, weights or contents of a config."""
    cells = list(cells)
    _check_same_configs(store, cells)
    now = {
        (cell.backbone.name, cell.task.name): (cell.backbone.revision, cell.task.fingerprint)
        for cell in cells
    }
    backbones = {cell.backbone.name: cell.backbone for cell in cells}
    for record in store:
        trial = record.trial
        revision, data = now.get((trial.backbone, trial.task), (trial.backbone_revision, trial.data))
        if (revision, data) != (trial.backbone_revision, trial.data):
            changed = trial.task if data != trial.data else trial.backbone
            folder = backbones[trial.backbone].folder if data == trial.data else None
            if folder is not None and trial.backbone_revision == earlier_revision(folder):
                raise FolderError(
                    f"{store.folder}: its records are of the same weights of {changed}, but from a "
                    "version that did not record which tokenizer or image processor was used; they can "
                    "be reported, not continued; choose another folder with --out"
                )
            raise FolderError(
                f"{store.folder}: its records are of another {changed}; its content has changed since, "
                "or an earlier version read it otherwise; choose another folder with --out"
            )


def _check_same_configs(store: Store, cells: Iterable[Cell]) -> None:
    """Raise FolderError if a config file has changed: a table would show both contents by one name.

    A trial that failed is no obstacle: its file may have been mended.
    """
    now = {
        cell.text: cell.identity
        for cell in cells
        if any(part.is_file for part in parse_method(cell.text).parts)
    }
    for record in store:
        trial = record.trial
        known = now.get(trial.method, trial.method_id)
        if known != trial.method_id and record.outcome.status == "completed":
            raise FolderError(
                f"{store.folder}: its records are of another content of {trial.method}; the file has "
                "changed since, or an earlier version read it otherwise; choose another folder with "
                "--out, or give the changed file a name of its own"
            )


def check_writable(folder: Path) -> None:
    """Raise FolderError if the folder cannot be written. Creates nothing."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise FolderError(f"{there}: is a file, so {folder} cannot be created; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise FolderError(f"{there}: is not writable; choose another folder with --out")
