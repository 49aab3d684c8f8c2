"""Sort records into groups that can be compared, and by method within each group.

Two methods are compared only if backbone, task, data and budget are the same. Records that share
names but belong to different data go into different groups.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from whichpeft.records import Record
from whichpeft.records.record import finite
from whichpeft.records.selection import best_trial
from whichpeft.study import Study, Trial
from whichpeft.study.names import format_part, parse_method
from whichpeft.study.spec import short_name

Variant = Literal["default", "tuned"]


@dataclass(kw_only=True)
class MethodRecords:
    """The records of one variant of a method in one group."""

    method: str
    """The method as written in the study."""

    variant: Variant = "default"
    """Whether the records are for the ``default`` hyperparameters or the ``tuned`` ones."""

    profile: Record | None = None
    """The profile, which measures costs; None if there is none."""

    finals: dict[int, Record] = field(default_factory=dict)
    """The final trials by seed."""

    search: list[Record] = field(default_factory=list)
    """The method's tuning trials by number, the same for both variants."""

    outdated: int = 0
    """Number of records left out because their hyperparameters are no longer the best of the search."""

    def take(self, record: Record) -> None:
        """Add a profile or a final record."""
        if record.trial.purpose == "profile":
            self.profile = record
        else:
            self.finals[record.trial.seed] = record

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the records, the profile first, then by seed."""
        if self.profile is not None:
            yield self.profile
        for _, record in sorted(self.finals.items()):
            yield record

    @property
    def trial(self) -> Trial | None:
        """Return one of the trials, which share method, hyperparameters and group."""
        found = best_trial(self.search) if self.variant == "tuned" else next(iter(self.search), None)
        return next((record.trial for record in (*self, *([found] if found else []))), None)

    @property
    def seeds_of_search(self) -> set[int]:
        """Return the seeds of the final trials that the tuning trials had too."""
        return {record.trial.seed for record in self.search} & self.finals.keys()

    @property
    def completed(self) -> list[Record]:
        """Return the completed final records with a finite score, by seed."""
        return [
            record
            for record in self
            if record.trial.purpose == "final"
            and record.outcome.status == "completed"
            and finite(record.value("score", "test")) is not None
        ]

    @property
    def cost(self) -> Record | None:
        """Return the profile if it completed."""
        done = self.profile is not None and self.profile.outcome.status == "completed"
        return self.profile if done else None

    def value(self, name: str) -> float | None:
        """Return a number that does not depend on the seed, from the profile or else from a final."""
        for record in self:
            found = finite(record.value(name))
            if found is not None:
                return found
        return None


@dataclass(kw_only=True)
class ComparableGroup:
    """Records that share backbone, task, data and budget, so that their methods can be compared."""

    backbone: str
    """Name of the backbone."""

    task: str
    """Name of the task."""

    data: str | None = None
    """Fingerprint of the data; None if nothing has run."""

    methods: list[MethodRecords] = field(default_factory=list)
    """The records by method and variant, in the order of the study."""


def group_records(study: Study, records: Iterable[Record]) -> list[ComparableGroup]:
    """Sort records into groups, in the order of the study's backbones, tasks and methods.

    A method of the study without records still has an (empty) place in every group, and a backbone
    and task without records still have a group. Methods that have records but are not named in the
    study come last. Screening trials have no place: only a race compares them.
    """
    found: dict[tuple[Hashable, ...], list[Record]] = {}
    for record in records:
        if record.trial.purpose != "screen":
            found.setdefault(_shared(record.trial), []).append(record)
    groups = [_group(study, together) for together in found.values()]
    # A group that the study does not name is one that it names differently.
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


def same_method(method: str, trial: Trial) -> bool:
    """Return whether a trial ran the method written in a study, in whatever spelling."""
    if method in (trial.method, trial.method_id):
        return True
    return _spelling(method) in (_spelling(trial.method), _spelling(trial.method_id))


def _group(study: Study, records: list[Record]) -> ComparableGroup:
    first = records[0].trial
    methods: dict[str, list[Record]] = {}
    for record in records:
        methods.setdefault(record.trial.method_id, []).append(record)
    left = sorted(
        (variant for own in methods.values() for variant in _variants(own)), key=lambda v: v.method
    )
    ordered: list[MethodRecords] = []
    for method in study.methods:
        own = [v for v in left if v.trial is not None and same_method(method, v.trial)]
        left = [variant for variant in left if variant not in own]
        for variant in own:
            variant.method = method
        ordered += own or [MethodRecords(method=method)]
    return ComparableGroup(
        backbone=first.backbone, task=first.task, data=first.data, methods=[*ordered, *left]
    )


def _variants(records: list[Record]) -> list[MethodRecords]:
    """Split the records of one method into its default variant and, if it was searched, its tuned one.

    If the search found nothing better than the default, both variants have the same records. If it
    has not found anything yet, the tuned variant is empty. Tests of a candidate that is no longer the
    best of the search are outdated; that happens if its record was deleted and the trial run again.
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


def _shared(trial: Trial) -> tuple[Hashable, ...]:
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
    """Normalise a method's spelling, so that case and the order of options do not matter."""
    parts = parse_method(text).parts
    return "+".join(format_part(part.name.lower(), part.options) for part in parts)
