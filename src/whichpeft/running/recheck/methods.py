"""Reads the methods of an old run folder again."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from whichpeft.analysis.check.findings import Finding
from whichpeft.analysis.comparable_groups import same_method
from whichpeft.backbones import Backbone
from whichpeft.engine.model_setup import count_parameters
from whichpeft.errors import RequestError
from whichpeft.methods import Method, resolve_method
from whichpeft.planning import Cell, build_meta_model, make_plan
from whichpeft.records import Record
from whichpeft.running.recheck.words import AGAIN, MOST_NAMES, not_read, problem
from whichpeft.study import Study
from whichpeft.study.names import parse_method
from whichpeft.tasks import Task
from whichpeft.units import join_words, show_count

_EMBEDDINGS = re.compile(r"embed|\bwte\b|\bshared\b|lm_head")


def resolve_method_again(text: str) -> Method | Finding:
    """Resolve a method; return a finding if its file is gone, or if it is no longer accepted."""
    try:
        return resolve_method(text)
    except RequestError as error:
        files = [part.name for part in parse_method(text).parts if part.is_file]
        gone = [file for file in files if not Path(file).expanduser().exists()]
        if gone:
            return not_read(f"{gone[0]} is gone, so it was not read again", method=text)
        return problem(f"this version refuses it: {error}", method=text)


def method_findings(text: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Find what an earlier version did otherwise with a method, from its config and its records."""
    yield from _saved_modules(text, records)
    yield from _merged_embeddings(text, records)


def _saved_modules(text: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Find configs with modules to train whole, which an earlier version threw away."""
    for part in parse_method(text).parts:
        if not part.is_file:
            continue
        given = json.loads(Path(part.name).expanduser().read_text(encoding="utf-8"))
        modules = given.get("modules_to_save") if isinstance(given, Mapping) else None
        if modules and any("modules_to_save" not in str(r.trial.hyperparameters) for r in records):
            names = [modules] if isinstance(modules, str) else map(str, modules)
            yield problem(
                f"its config names modules_to_save ({join_words(names, most=MOST_NAMES)}), and an "
                "earlier version did not train them",
                method=text,
            )


def _merged_embeddings(text: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Find latencies of merged adapters on embeddings, which a language model's head may share."""
    for record in records:
        given = record.trial.hyperparameters
        targets = f"{given.get('target_modules')} {given.get('from_file')}"
        merged, compared = (
            record.value("merged_inference_milliseconds"),
            record.value("merged_difference"),
        )
        if merged is not None and compared is None and _EMBEDDINGS.search(targets):
            yield Finding(
                severity="note",
                what="its merged latency may be that of a model that answers otherwise: its adapter is "
                "on embeddings, and an earlier version did not compare the two models",
                fix=f"to use that latency, {AGAIN}",
                method=text,
            )
            return


def cell_findings(
    study: Study,
    backbones: Sequence[Backbone],
    tasks: Sequence[Task],
    methods: Mapping[str, Method],
    records: Sequence[Record],
) -> Iterator[Finding]:
    """Compare each method as this version applies it with its records of the same data and weights."""
    for backbone, task in itertools.product(backbones, tasks):
        try:
            cells = make_plan(study, [backbone], [task], methods).cells
        except RequestError as error:
            yield problem(f"this version refuses them: {error}", backbone=backbone.name, task=task.name)
            continue
        for cell in cells:
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
        return problem(f"this version refuses it: {cell.refusal}", "leave it out, or mend its options")
    defaults = [r for r in records if r.trial.purpose == "final" and not r.trial.number] or records
    then = {record.value("trainable_parameters") for record in defaults} - {None}
    now = _trainable(cell)
    if not then or now is None or now in then:
        return None
    before = show_count(next(iter(then)) or 0)
    return problem(f"it trained {before} parameters; this version trains {show_count(now)}")


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
