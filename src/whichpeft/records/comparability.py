"""Which records can be compared: costs need the same machine, scores the same arithmetic."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from whichpeft.records import Record, Setting

Kind = tuple[tuple[str, str], ...]

# Libraries whose major version may change results.
_LIBRARIES = ("torch", "transformers", "peft")


def cost_kind(setting: Setting) -> Kind:
    """Return what two settings must share before their times and memory can be compared.

    The amount of memory does not count: it limits what can run, not how fast, and virtual machines of
    one kind differ in it by a few pages.
    """
    hardware = {k: v for k, v in setting.hardware.items() if k != "memory_bytes"}
    return (
        ("hardware", json.dumps(hardware, sort_keys=True, default=str)),
        ("device", setting.device),
        ("precision", setting.precision),
        ("torch", _major(setting.versions, "torch")),
    )


def score_kind(setting: Setting) -> Kind:
    """Return what two settings must share before their scores can be compared."""
    versions = tuple((name, _major(setting.versions, name)) for name in _LIBRARIES)
    return (("precision", setting.precision), *versions)


def reference_kind(baseline: Iterable[Kind], all_kinds: Sequence[Kind]) -> Kind | None:
    """Return the kind to compare within: the baseline's, else the most frequent one."""
    own = set(baseline)
    if len(own) == 1:
        return own.pop()
    return Counter(all_kinds).most_common(1)[0][0] if all_kinds else None


def differences(kind: Kind, other: Kind) -> str:
    """Name the parts in which two kinds differ: ``hardware, precision``."""
    return ", ".join(key for key, value in kind if dict(other).get(key) != value)


def kinds_of(records: Iterable[Record], *, scores: bool) -> list[Kind]:
    """Return the distinct kinds of the records, in order of first appearance."""
    of = score_kind if scores else cost_kind
    return list(dict.fromkeys(of(record.setting) for record in records))


def _major(versions: Mapping[str, str], name: str) -> str:
    return versions.get(name, "").split(".")[0]
