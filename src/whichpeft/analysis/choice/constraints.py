"""What a reader can afford: limits, the cost to minimise, and the score they accept to lose."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from whichpeft.analysis.frontier import cost_of
from whichpeft.analysis.rows import Row
from whichpeft.analysis.statistics.gap import MARGIN
from whichpeft.errors import StudyError, unknown
from whichpeft.units import (
    parse_bytes,
    parse_duration,
    parse_percent,
    points,
    show_bytes,
    show_count,
    show_milliseconds,
    show_percent,
    show_seconds,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """A cost that a method can be chosen by, and that can be limited.

    key: of a row, what is compared; limit_key: what a limit is held against, where it is another.
    words: its name in a sentence; title: in a table.
    machine: whether it depends on the machine, so that it is compared within one setting only.
    """

    key: str
    words: str
    title: str
    show: Callable[[float], str]
    limit_key: str = ""
    show_limit: Callable[[float], str] | None = None
    machine: bool = True

    def value(self, row: Row, *, alike: bool) -> float | None:
        """Return what a row costs, None where it is not known in a setting that can be compared."""
        return cost_of(row, self.key) if alike or not self.machine else None

    def limited(self, row: Row, *, alike: bool) -> float | None:
        """Return what a limit is held against."""
        if not self.limit_key:
            return self.value(row, alike=alike)
        return None if row[self.limit_key] is None else float(row[self.limit_key])

    def shown_limit(self, value: float) -> str:
        return (self.show_limit or self.show)(value)


COSTS: Mapping[str, Cost] = {
    "time": Cost(key="train_seconds", words="training time", title="train time", show=show_seconds),
    "trainable": Cost(
        key="trainable_parameters",
        words="trainable parameters",
        title="trainable",
        show=show_count,
        limit_key="trainable_percent",
        show_limit=show_percent,
        machine=False,
    ),
    "memory": Cost(key="peak_memory_bytes", words="peak memory", title="peak memory", show=show_bytes),
    "adapter-size": Cost(
        key="adapter_bytes", words="adapter size", title="adapter", show=show_bytes, machine=False
    ),
    "latency": Cost(
        key="inference_milliseconds", words="latency", title="latency", show=show_milliseconds
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """Under which a method is chosen.

    by: the cost, one of `COSTS`, that is to be small. margin: the score, as a fraction, that may be
    given up for it. limits: by the names of `COSTS`, in the unit of the row's key.
    """

    by: str = "time"
    margin: float = MARGIN
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> Cost:
        return COSTS[self.by]


def read_constraints(
    *,
    max_memory: str | None = None,
    max_trainable: str | None = None,
    max_adapter_size: str | None = None,
    max_latency: str | None = None,
    max_train_time: str | None = None,
    by: str = "time",
    margin: float = points(MARGIN),
) -> Constraints:
    """Read constraints as people write them: ``6GB``, ``1%``, ``5MB``, ``20ms``, ``10m``.

    Raises StudyError, which names the option and how to write it.
    """
    if by not in COSTS:
        raise StudyError(f"--by: {unknown('cost', by, COSTS)}")
    if not (math.isfinite(margin) and margin >= 0):
        raise StudyError(f"--margin is {margin}; it has to be 0 or more, in points: 2.0 or 0.5")
    given: dict[str, tuple[str, str | None, Callable[[str], float]]] = {
        "memory": ("--max-memory", max_memory, parse_bytes),
        "trainable": ("--max-trainable", max_trainable, parse_percent),
        "adapter-size": ("--max-adapter-size", max_adapter_size, parse_bytes),
        "latency": ("--max-latency", max_latency, _milliseconds),
        "time": ("--max-train-time", max_train_time, parse_duration),
    }
    limits = {
        name: _read(option, text, parse)
        for name, (option, text, parse) in given.items()
        if text is not None
    }
    return Constraints(by=by, margin=margin / 100, limits=limits)


def _read(option: str, text: str, parse: Callable[[str], float]) -> float:
    try:
        return parse(str(text))
    except StudyError as error:
        raise StudyError(f"{option}: {error}") from None


def _milliseconds(text: str) -> float:
    return 1000 * parse_duration(text)
