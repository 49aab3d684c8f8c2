"""Sweeps: one method at several sizes, and the size from which more parameters do not help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.errors import StudyError
from whichpeft.study.names import format_value, parse_method

Member = tuple[MethodResult, dict[str, Any]]  # a result, and its options by name


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """One method at several sizes of one hyperparameter, the smallest first."""

    name: str
    """The method with the options that all sizes share."""

    hyperparameter: str
    """The hyperparameter that sets the size."""

    sizes: tuple[float, ...]
    """Value of the hyperparameter, by result."""

    results: tuple[MethodResult, ...]
    """The method's result at each size."""

    parameters: tuple[int, ...]
    """Number of trained parameters outside the head, by result."""

    scores: tuple[float, ...]
    """Mean score, a fraction, by result."""

    def enough(self, margin: float) -> int:
        """Return the place of the smallest size that scored within a margin of the best one."""
        least = max(self.scores) - margin - 1e-9
        return next(place for place, score in enumerate(self.scores) if score >= least)


def sweeps(comparison: Comparison) -> list[Sweep]:
    """Find the methods with scores at two sizes or more.

    A size is a number that is written in the name of at least one of them, differs between all of
    them, and increases the number of trained parameters: a rank, a bottleneck, a number of layers or
    of tokens. A learning rate is not a size.
    """
    families: dict[str, list[Member]] = {}
    for result in comparison.answers:
        if result.score_mean is None or not result.adapter_parameters:
            continue
        try:
            parts = parse_method(result.method).parts
        except StudyError:
            continue
        if len(parts) == 1 and not parts[0].is_file:
            families.setdefault(parts[0].name, []).append((result, dict(parts[0].options)))
    found = []
    for name, members in families.items():
        found += _of_family(name, members)
    return found


def _of_family(name: str, members: Sequence[Member]) -> list[Sweep]:
    """Return one sweep of all members, or one sweep per combination of their other options."""
    keys = list(dict.fromkeys(key for _, options in members for key in options))
    for key in keys:
        whole = _sweep(name, key, members)
        if whole is not None:
            return [whole]
    found = []
    for key in keys:
        by_rest: dict[str, list[Member]] = {}
        for result, options in members:
            rest = {other: value for other, value in options.items() if other != key}
            shared = ",".join(f"{k}={format_value(v)}" for k, v in sorted(rest.items()))
            by_rest.setdefault(f"{name}:{shared}" if shared else name, []).append((result, options))
        found += [sweep for text, some in by_rest.items() if (sweep := _sweep(text, key, some))]
    return found


def _sweep(name: str, key: str, members: Sequence[Member]) -> Sweep | None:
    """Return a sweep over one hyperparameter, or None if it is not a size of these members."""
    sized = []
    for result, options in members:
        size = options.get(key, (result.hyperparameters or {}).get(key))
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            return None
        sized.append((float(size), result))
    sized.sort(key=lambda pair: pair[0])
    sizes, results = tuple(size for size, _ in sized), tuple(result for _, result in sized)
    counts = tuple(result.adapter_parameters or 0 for result in results)
    if len(results) < 2 or not _rising(sizes) or not _rising(counts):
        return None
    return Sweep(
        name=name,
        hyperparameter=key,
        sizes=sizes,
        results=results,
        parameters=counts,
        scores=tuple(result.score_mean or 0.0 for result in results),
    )


def _rising(values: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(values))
