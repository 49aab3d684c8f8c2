"""What changed between two studies: their options, data, weights, hardware and versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whichpeft.analysis.comparison import Comparison
from whichpeft.records import Record
from whichpeft.study import Study, UntilDecided
from whichpeft.study.conditions import condition_infos
from whichpeft.study.seeds import Seeds

ABSENT = "none"
_BUDGET = {
    "epochs": "epochs",
    "max_train": "training examples at most",
    "batch_size": "batch size",
    "micro_batch": "micro-batch",
    "early_stopping": "early stopping",
    "tuning_trials": "tuning trials",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that two studies differ in, in words."""

    what: str
    """What differs."""

    first: str
    """Its value in the first study."""

    second: str
    """Its value in the second study."""

    def __str__(self) -> str:
        return f"{self.what}: {self.first} in the first, {self.second} in the second"


def study_changes(
    first: Study, second: Study, ran: tuple[Sequence[Comparison], Sequence[Comparison]]
) -> list[Change]:
    """List the differences between two studies: options, data and weights, hardware and versions."""
    records = [
        [record for one in side for result in one.results for record in result.records] for side in ran
    ]
    found = [
        *_lists("backbones", first.backbones, second.backbones),
        *_lists("tasks", [t.name for t in first.tasks], [t.name for t in second.tasks]),
        *_contents(*records),
        *_lists("methods", first.methods, second.methods),
        *_seeds(first.seeds, second.seeds),
        *_fields(_BUDGET, first.budget, second.budget),
        *_fields(
            {name: info.label for name, info in condition_infos()}, first.conditions, second.conditions
        ),
        *_change("baseline", first.baseline, second.baseline),
        *_search_seeds(*ran),
    ]
    hardware = [_each({**r.setting.hardware, "device": r.setting.device} for r in of) for of in records]
    versions = [_each(record.setting.versions for record in of) for of in records]
    precision = [_words({r.setting.precision for r in of if r.setting.precision}) for of in records]
    for name in dict.fromkeys([*hardware[0], *hardware[1]]):
        if name != "memory_bytes":  # differs by a few pages between machines of the same kind
            found += _change(name, *(side.get(name, ABSENT) for side in hardware))
    found += _change("computed in", *precision)
    for name in dict.fromkeys([*versions[0], *versions[1]]):
        found += _change(f"version of {name}", *(side.get(name, ABSENT) for side in versions))
    return found


def _search_seeds(first: Sequence[Comparison], second: Sequence[Comparison]) -> list[Change]:
    """Return the seeds of searches if both studies tuned; earlier versions used a seed of the study."""
    seeds = [
        {str(r.trial.seed) for one in side for result in one.results for r in result.records.search}
        for side in (first, second)
    ]
    return _change("seed of the searches", *map(_words, seeds)) if all(seeds) else []


def _contents(first: Sequence[Record], second: Sequence[Record]) -> list[Change]:
    """Return the names that stand for other data or another backbone."""
    found = []
    for kind, name, content in (
        ("data of", "task", "data"),
        ("files of", "backbone", "backbone_revision"),
    ):
        sides = [_by_name(records, name, content) for records in (first, second)]
        for shared in (key for key in sides[0] if key in sides[1]):
            found += _change(f"{kind} {shared}", _words(sides[0][shared]), _words(sides[1][shared]))
    return found


def _by_name(records: Sequence[Record], name: str, content: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(getattr(record.trial, name), set()).add(getattr(record.trial, content)[:12])
    return found


def _lists(what: str, first: Sequence[object], second: Sequence[object]) -> list[Change]:
    """Return what only one of two lists contains; empty if they contain the same."""
    alone = [
        ", ".join(str(value) for value in own if value not in other)
        for own, other in ((first, second), (second, first))
    ]
    if not any(alone):
        return []
    if not set(first) & set(second):
        return [Change(what=what, first=alone[0], second=alone[1])]
    words = [f"also {only}" if only else "no others" for only in alone]
    return [Change(what=what, first=words[0], second=words[1])]


def _seeds(first: Seeds, second: Seeds) -> list[Change]:
    if not (isinstance(first, UntilDecided) or isinstance(second, UntilDecided)):
        return _lists("seeds", first, second)
    words = (str(s) if isinstance(s, UntilDecided) else ", ".join(map(str, s)) for s in (first, second))
    return _change("seeds", *words)


def _fields(names: dict[str, str], first: Any, second: Any) -> list[Change]:
    known = {field.name for field in dataclasses.fields(first)}
    return [
        change
        for key, words in names.items()
        if key in known
        for change in _change(words, _value(getattr(first, key)), _value(getattr(second, key)))
    ]


def _change(what: str, first: str, second: str) -> list[Change]:
    return [] if first == second else [Change(what=what, first=first, second=second)]


def _value(value: object) -> str:
    if value is None:
        return ABSENT
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _each(mappings: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Merge mappings into one, with all values of each key."""
    found: dict[str, set[str]] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            if value not in (None, ""):
                found.setdefault(str(key), set()).add(str(value))
    return {key: _words(values) for key, values in found.items()}


def _words(values: Iterable[str]) -> str:
    return " and ".join(sorted(values)) or ABSENT
