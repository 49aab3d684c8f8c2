"""Sweeps: one method at several sizes, and from which size on more parameters bring nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.rows import Row
from whichpeft.errors import StudyError
from whichpeft.study.names import format_value, parse_method

Member = tuple[Row, dict[str, Any]]  # a row, and its options by name


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """One method at several sizes of one hyperparameter, the smallest first.

    name: of the method, with the options that all share; sizes: of the hyperparameter, by row.
    """

    name: str
    hyperparameter: str
    sizes: tuple[float, ...]
    rows: tuple[Row, ...]

    def enough(self, margin: float) -> int:
        """Return the place of the smallest size that scored within a margin of the best one."""
        best = max(row["score_mean"] for row in self.rows)
        return next(i for i, row in enumerate(self.rows) if row["score_mean"] >= best - margin - 1e-9)


def sweeps(comparison: Comparison) -> list[Sweep]:
    """Find the methods that were run at two sizes or more, with scores.

    A size is a number that was typed in the name of at least one, differs between all of them, and
    makes more of them train the larger it is: a rank, a bottleneck, a count of layers or of tokens. A
    learning rate is none, since it trains no more.
    """
    families: dict[str, list[Member]] = {}
    for row in comparison.answers:
        if row["score_mean"] is None or not row["adapter_parameters"]:
            continue
        try:
            parts = parse_method(row["method"]).parts
        except StudyError:
            continue
        if len(parts) == 1 and not parts[0].is_file:
            families.setdefault(parts[0].name, []).append((row, dict(parts[0].options)))
    found = []
    for name, members in families.items():
        found += _of_family(name, members)
    return found


def _of_family(name: str, members: Sequence[Member]) -> list[Sweep]:
    """Return one sweep of all members, or one for each of the other options that get in the way."""
    keys = list(dict.fromkeys(key for _, typed in members for key in typed))
    for key in keys:
        whole = _sweep(name, key, members)
        if whole is not None:
            return [whole]
    found = []
    for key in keys:
        alike: dict[str, list[Member]] = {}
        for row, typed in members:
            rest = {other: value for other, value in typed.items() if other != key}
            shared = ",".join(f"{k}={format_value(v)}" for k, v in sorted(rest.items()))
            alike.setdefault(f"{name}:{shared}" if shared else name, []).append((row, typed))
        found += [sweep for text, some in alike.items() if (sweep := _sweep(text, key, some))]
    return found


def _sweep(name: str, key: str, members: Sequence[Member]) -> Sweep | None:
    """Return a sweep over one hyperparameter, or None where it is no size of these members."""
    sized = []
    for row, typed in members:
        size = typed.get(key, (row["hyperparameters"] or {}).get(key))
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            return None
        sized.append((float(size), row))
    sized.sort(key=lambda pair: pair[0])
    sizes, rows = tuple(size for size, _ in sized), tuple(row for _, row in sized)
    counts = [row["adapter_parameters"] for row in rows]
    if len(rows) < 2 or not _rising(sizes) or not _rising(counts):
        return None
    return Sweep(name=name, hyperparameter=key, sizes=sizes, rows=rows)


def _rising(values: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(values))
