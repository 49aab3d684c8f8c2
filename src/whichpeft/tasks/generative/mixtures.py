"""Loads the mixtures `commonsense` and `arithmetic` from the hub or an LLM-Adapters folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from whichpeft.errors import DataError, unknown
from whichpeft.study import TaskSource
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.instructions import instruction_prompt
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.reasoning_sets import MIXTURES, Mixture, ReasoningSet, worked_out
from whichpeft.tasks.generative.rows import read_rows
from whichpeft.tasks.generative.scoring import metrics_by
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.tables.files import read_table
from whichpeft.tasks.tables.hub import download

METRIC = "exact_match"
"""What the literature reports: the answer is read from the generated text."""
_TEST, _TRAIN = "test.json", "train.json"
_LAYOUT = "a folder in the LLM-Adapters layout"
_TRAINING_FOLDER, _SETS_FOLDER = "ft-training_set", "dataset"

Sets = Mapping[str, ReasoningSet]
Examples = list[Prompted]


def load_mixture(source: TaskSource) -> GenerativeTask:
    """Load a mixture (``commonsense``), some of its sets, or a single set (``commonsense/arc-easy``).

    All sets share one training set, but each has its own test set; the score is the mean over the sets.
    Raises DataError if data are missing, a set is unknown, or the metric does not fit.
    """
    mixture, sets = _asked(source)
    notes: list[str] = []
    if source.test is not None:
        tests = _read(Path(source.test), "", notes, worked=any(one.worked for one in sets.values()))
    elif source.folder is not None:
        tests = _tests_in(_folder(source), source, sets, notes)
    else:
        tests = _hub_examples(source, sets, "test")
    train = _training(source, mixture, sets, notes)
    seen = {example.prompt for example in tests}
    unseen = [example for example in train if example.prompt not in seen]
    if len(unseen) < len(train):
        notes.append(f"skipped {len(train) - len(unseen)} training examples that are also in a test set")
    validation = source.validation and _read(Path(source.validation), "", notes, worked=False)
    return dataclasses.replace(
        generative_task(
            source.name,
            train=unseen,
            validation=validation or None,
            test=tests,
            metric=source.metric or METRIC,
            notes=notes,
        ),
        usual_lengths=mixture.lengths,
    )


def load_mixture_for_planning(source: TaskSource) -> GenerativeTask:
    """Load a mixture, or return its usual facts if the hub's data are not available.

    Files and folders that the source names must exist. Raises DataError as `load_mixture` does.
    """
    mixture, sets = _asked(source)
    if source.folder or source.train or source.test:
        return load_mixture(source)
    try:
        return load_mixture(source)
    except DataError:
        whole = len(sets) == len(mixture.sets)
        examples = (
            mixture.examples if whole else sum(one.hub.examples for one in sets.values() if one.hub)
        ) or mixture.examples
        evaluation, metrics = metrics_by(source.metric or METRIC)
        longest, usual = mixture.lengths
        return GenerativeTask(
            name=source.name,
            fingerprint="",
            metrics=metrics,
            evaluation=evaluation,
            chance=None,
            counts={"train": examples},
            notes=(
                f"the data of {source.name} are not available here, so the plan assumes {examples:,} "
                f"training examples, at most {longest} tokens per example, and {usual} on average per "
                "batch",
            ),
            usual_lengths=mixture.lengths,
        )


def _asked(source: TaskSource) -> tuple[Mixture, Sets]:
    """Check the keys of a source; return its mixture and the requested sets."""
    name, _, one = source.name.partition("/")
    mixture = MIXTURES[name]
    for key in ("text_columns", "label_column", "problem", "prompt", "verbaliser"):
        if getattr(source, key):
            raise DataError(
                f"task {source.name!r}: its columns and prompts are fixed, so {key} cannot be given; "
                "name a file or folder instead"
            )
    if one and source.sets:
        raise DataError(f"task {source.name!r}: is a single set, so sets cannot be given; name {name!r}")
    for asked in source.sets:
        if asked not in mixture.sets:
            raise DataError(f"task {source.name!r}: {unknown('set', asked, mixture.sets)}")
    names = (one,) if one else source.sets or tuple(mixture.sets)
    sets = {key: mixture.sets[key] for key in names}
    _check_metric(source, sets)
    return mixture, sets


def _check_metric(source: TaskSource, sets: Sets) -> None:
    try:
        evaluation, _ = metrics_by(source.metric or METRIC)
    except DataError as error:
        raise DataError(f"task {source.name!r}: {error}") from None
    bare = [key for key, one in sets.items() if not one.choices]
    if evaluation == "choices" and bare:
        raise DataError(
            f"task {source.name!r}: metric {source.metric} requires choices, and {', '.join(bare)} "
            f"{'has' if len(bare) == 1 else 'have'} none; use {METRIC}"
        )


def _training(source: TaskSource, mixture: Mixture, sets: Sets, notes: list[str]) -> Examples:
    """Return the training examples: from the given file, the mixture's file, or those of the sets."""
    if source.train is not None:
        return _read(Path(source.train), "", notes, worked=any(one.worked for one in sets.values()))
    if source.folder is None:
        return _hub_examples(source, sets, "train", notes)
    folder = _folder(source)
    own = {
        key: path
        for key, one in sets.items()
        if (path := _sets_in(folder) / one.folder / _TRAIN).is_file()
    }
    whole = len(sets) == len(mixture.sets)
    places = [place / file for file in mixture.files for place in (folder, folder / _TRAINING_FOLDER)]
    file = next((place for place in places if place.is_file()), None)
    # If the chosen sets have their own training files, only these are used.
    if file is not None and (whole or len(own) < len(sets)):
        notes.append(f"trained on {file.name}, which covers all sets")
        return _read(file, "", notes, worked=False)
    if not own:
        raise DataError(
            f"task {source.name!r}: {folder} has no training data: neither it nor "
            f"{_TRAINING_FOLDER} contains {' or '.join(mixture.files)}, and there is no {_TRAIN} for "
            f"{', '.join(sets)}; add one, or give a file with --train"
        )
    without = [key for key in sets if key not in own]
    if without:
        notes.append(f"no training data for {', '.join(without)}: trained on {', '.join(own)}")
    return [
        example
        for key, path in own.items()
        for example in _read(path, key if len(sets) > 1 else "", notes, worked=sets[key].worked)
    ]


def _tests_in(folder: Path, source: TaskSource, sets: Sets, notes: list[str]) -> Examples:
    files = {key: _sets_in(folder) / one.folder / _TEST for key, one in sets.items()}
    missing = [key for key, file in files.items() if not file.is_file()]
    if missing:
        there = [key for key in files if key not in missing]
        leave = f", or leave out the set with sets: [{', '.join(there)}]" if there else ""
        raise DataError(
            f"task {source.name!r}: {files[missing[0]]}, the test set of {missing[0]}, does not exist"
            f"{f' ({len(missing) - 1} more are missing)' if missing[1:] else ''}; add it{leave}"
        )
    return [
        example
        for key, file in files.items()
        for example in _read(file, key if len(sets) > 1 else "", notes, worked=sets[key].worked)
    ]


def _folder(source: TaskSource) -> Path:
    folder = Path(source.folder or "").expanduser()
    if not folder.is_dir():
        raise DataError(
            f"task {source.name!r}: folder {folder} does not exist; give one in the LLM-Adapters layout "
            "(ARC-Easy/test.json and so on), or leave out folder to load from the hub"
        )
    return folder


def _sets_in(folder: Path) -> Path:
    """Return the folder of the sets: `folder` itself, or ``dataset`` as in LLM-Adapters' repository."""
    inner = folder / _SETS_FOLDER
    return inner if inner.is_dir() else folder


def _read(path: Path, group: str, notes: list[str], *, worked: bool) -> Examples:
    """Read a file of instruction data, or of questions and answers, as examples of one set."""
    path = path.expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = read_table(path)
    rows = read_rows(table, TaskSource(name=str(path)))
    notes += (*table.notes, *rows.notes)
    return _grouped(rows.examples, group, worked=worked)


def _grouped(rows: Iterable[Prompted], group: str, *, worked: bool) -> Examples:
    empty = instruction_prompt("").lstrip()
    return [
        dataclasses.replace(
            worked_out(row) if worked else row,
            group=group,
            # Plain questions get the prompt of instructions, so that training and test prompts match.
            prompt=row.prompt if row.prompt.endswith(empty) else instruction_prompt(row.prompt),
        )
        for row in rows
    ]


def _hub_examples(source: TaskSource, sets: Sets, role: str, notes: list[str] | None = None) -> Examples:
    absent = [key for key, one in sets.items() if one.hub is None]
    if absent:
        there: Sequence[str] = [key for key in sets if key not in absent]
        leave = f", or choose sets: [{', '.join(there)}]" if there else ""
        raise DataError(
            f"task {source.name!r}: the hub has no loadable copy of {', '.join(absent)}; give --folder, "
            f"{_LAYOUT}{leave}"
        )
    found: Examples = []
    for key, one in sets.items():
        assert one.hub is not None
        split = one.hub.test if role == "test" else "train"
        try:
            data = download(one.hub.id, one.hub.config)
        except DataError as error:
            raise DataError(f"{error}; or give --folder, {_LAYOUT}") from None
        if split not in data:
            raise DataError(f"task {source.name!r}: {one.hub.id} no longer has a split {split!r}")
        try:
            rows = [one.hub.read(row) for row in data[split]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"task {source.name!r}: the columns of {one.hub.id} [{split}] have changed "
                f"({type(error).__name__}: {error}); give --folder instead"
            ) from None
        read = [row for row in rows if row is not None]
        if notes is not None and len(read) < len(rows):
            notes.append(f"{key}: {len(rows) - len(read)} rows without an answer were skipped")
        found += _grouped(read, key if len(sets) > 1 else "", worked=False)
    return found
