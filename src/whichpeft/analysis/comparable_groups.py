"""Sorting records: onto the group they share, and there by method.

Two methods are compared only where backbone, task, data and budget are the same. Records that
share names but not the data they stand for land on different groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from whichpeft.records import Record
from whichpeft.records.record import finite
from whichpeft.records.selection import best_trial
from whichpeft.study import Study, Trial
from whichpeft.study.names import format_part, parse_method
from whichpeft.study.spec import short_name

Variant = Literal["default", "tuned"]


@dataclass(kw_only=True)
class MethodRecords:
    """What is on record about one method on one group, as it comes by default or tuned.

    method: as typed; profile: the cost measurement, where there is one; finals: by seed.
    search: the method's tuning trials by number, whichever variant this is. outdated: how many
    records were left out, since the search no longer finds best what they are of.
    """

    method: str
    variant: Variant = "default"
    profile: Record | None = None
    finals: dict[int, Record] = field(default_factory=dict)
    search: list[Record] = field(default_factory=list)
    outdated: int = 0

    def take(self, record: Record) -> None:
        """Put a profile or a final record in its place."""
        if record.trial.purpose == "profile":
            self.profile = record
        else:
            self.finals[record.trial.seed] = record

    def __iter__(self) -> Iterator[Record]:
        """Go through the records, the profile first, then by seed."""
        if self.profile is not None:
            yield self.profile
        for _, record in sorted(self.finals.items()):
            yield record

    @property
    def trial(self) -> Trial | None:
        """Return one of the trials: they share method, hyperparameters and group."""
        found = best_trial(self.search) if self.variant == "tuned" else next(iter(self.search), None)
        return next((record.trial for record in (*self, *([found] if found else []))), None)

    @property
    def completed(self) -> list[Record]:
        """Return the final records that hold a score, by seed."""
        return [
            record
            for record in self
            if record.trial.purpose == "final"
            and record.outcome.status == "completed"
            and finite(record.value("score", "test")) is not None
        ]

    @property
    def cost(self) -> Record | None:
        """Return the profile, where it completed."""
        done = self.profile is not None and self.profile.outcome.status == "completed"
        return self.profile if done else None

    def value(self, name: str) -> float | None:
        """Return a number that does not depend on the seed: the profile's, else a final's."""
        for record in self:
            found = finite(record.value(name))
            if found is not None:
                return found
        return None


@dataclass(kw_only=True)
class ComparableGroup:
    """What the methods of one comparison share, and their records in the study's order."""

    backbone: str
    task: str
    data: str | None = None
    methods: list[MethodRecords] = field(default_factory=list)


def group_records(study: Study, records: Iterable[Record]) -> list[ComparableGroup]:
    """Sort records onto groups, in the order of the study's backbones, tasks and methods.

    A method of the study without any record still gets an (empty) place on every group, and a
    backbone and task without any record still get a group. Methods on record that the study
    does not name come after those it names.
    """
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        found.setdefault(_shared(record.trial), []).append(record)
    groups = [_group(study, together) for together in found.values()]
    # Every group that the study does not name stands for one that it names under another name.
    unnamed = sum(
        _place(g.backbone, study.backbones) == len(study.backbones)
        or _place(g.task, [t.name for t in study.tasks]) == len(study.tasks)
        for g in groups
    )
    if not unnamed:
        seen = {(g.backbone, g.task) for g in groups}
        for backbone in map(short_name, study.backbones):
            for task in study.tasks:
                if not {(backbone, task.name), (backbone, short_name(task.name))} & seen:
                    methods = [MethodRecords(method=method) for method in study.methods]
                    groups.append(
                        ComparableGroup(backbone=backbone, task=short_name(task.name), methods=methods)
                    )
    tasks = [task.name for task in study.tasks]
    return sorted(
        groups,
        key=lambda g: (
            _place(g.backbone, study.backbones),
            _place(g.task, tasks),
            g.backbone,
            g.task,
            g.data or "",
        ),
    )


def same_method(typed: str, trial: Trial) -> bool:
    """Tell whether a trial's method is the one typed, allowing for another spelling of it."""
    if typed in (trial.method, trial.method_id):
        return True
    return _spelling(typed) in (_spelling(trial.method), _spelling(trial.method_id))


def _group(study: Study, records: list[Record]) -> ComparableGroup:
    first = records[0].trial
    methods: dict[str, list[Record]] = {}
    for record in records:
        methods.setdefault(record.trial.method_id, []).append(record)
    left = sorted(
        (kept for own in methods.values() for kept in _variants(own)), key=lambda kept: kept.method
    )
    ordered: list[MethodRecords] = []
    for typed in study.methods:
        own = [kept for kept in left if kept.trial is not None and same_method(typed, kept.trial)]
        left = [kept for kept in left if kept not in own]
        for kept in own:
            kept.method = typed
        ordered += own or [MethodRecords(method=typed)]
    return ComparableGroup(
        backbone=first.backbone, task=first.task, data=first.data, methods=[*ordered, *left]
    )


def _variants(records: list[Record]) -> list[MethodRecords]:
    """Tell apart what is on record of one method: as it comes, then tuned where it was searched.

    Where the search found nothing better than the default, the two share their records. Where it
    has not found anything yet, the tuned variant is empty. What was tested of a candidate that the
    search no longer finds best (its record was deleted, say, and the trial run again) is outdated.
    """
    name = records[0].trial.method
    search = sorted(
        (record for record in records if record.trial.purpose == "tune"),
        key=lambda record: record.trial.number or 0,
    )
    chosen = best_trial(search)
    best = None if chosen is None else _values(chosen.trial)
    tried = {_values(record.trial) for record in search if record.trial.number != 0}
    default = {_values(record.trial) for record in search if record.trial.number == 0}
    tuned = MethodRecords(method=name, variant="tuned", search=search)
    usual: dict[str, MethodRecords] = {}
    for record in records:
        if record.trial.purpose == "tune":
            continue
        values = _values(record.trial)
        if values == best:
            tuned.take(record)
        if values in default or values not in tried:
            usual.setdefault(values, MethodRecords(method=name, search=search)).take(record)
        elif values != best:
            tuned.outdated += 1
    defaults = list(usual.values()) or [MethodRecords(method=name, search=search)]
    return [*defaults, *([tuned] if search else [])]


def _values(trial: Trial) -> str:
    return json.dumps(trial.hyperparameters, sort_keys=True, default=str)


def _shared(trial: Trial) -> tuple[Any, ...]:
    return (
        trial.backbone,
        trial.backbone_revision,
        trial.task,
        trial.data,
        trial.budget,
        trial.conditions,
    )


def _place(name: str, names: Iterable[str]) -> int:
    known = list(names)
    for i, other in enumerate(known):
        if name in (other, short_name(other)):
            return i
    return len(known)


@lru_cache(maxsize=4096)
def _spelling(text: str) -> str:
    """Return one spelling for all that differ in case and in the order of options only."""
    parts = parse_method(text).parts
    return "+".join(format_part(part.name.lower(), part.options) for part in parts)
