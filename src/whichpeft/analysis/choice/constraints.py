"""What a reader can afford: limits, the cost to minimise, and the score they accept to lose."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from whichpeft.analysis.method_result import MethodResult
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
    """A cost that a method can be chosen by, and that can be limited."""

    key: str
    """Name of the cost in rows, which ends in its unit."""

    read: Callable[[MethodResult], float | None]
    """Returns the cost of a result in that unit; None if it was not measured."""

    words: str
    """Name of the cost in a sentence."""

    phrase: str
    """A value of the cost in a sentence, with ``{}`` for the value: ``{} of training``."""

    title: str
    """Name of the cost in the heading of a table."""

    show: Callable[[float], str]
    """Formats a value."""

    read_limited: Callable[[MethodResult], float | None] | None = None
    """Returns what a limit applies to if that is not the cost itself."""

    show_limit: Callable[[float], str] | None = None
    """Formats a limit if that is not done by `show`."""

    machine: bool = True
    """Whether the cost depends on the machine, so that only one setting can be compared."""

    of_training: bool = False
    """Whether a method that trains nothing costs nothing, although nothing was measured."""

    def value(self, result: MethodResult) -> float | None:
        """Return the cost of a result; None if it is not known in a setting that can be compared."""
        return self.measured(result) if result.comparable_costs or not self.machine else None

    def measured(self, result: MethodResult) -> float | None:
        """Return the cost of a result, whether or not its setting can be compared."""
        if self.of_training and result.trains_nothing:
            return 0.0
        return _as_float(self.read(result))

    def limited(self, result: MethodResult) -> float | None:
        """Return what a limit applies to."""
        if self.read_limited is None:
            return self.value(result)
        return _as_float(self.read_limited(result))

    def said(self, value: float) -> str:
        """Return a value as in a sentence."""
        return self.phrase.format(self.show(value))

    def shown_limit(self, value: float) -> str:
        """Format a limit."""
        return (self.show_limit or self.show)(value)


def _as_float(value: float | None) -> float | None:
    return None if value is None else float(value)


COSTS: Mapping[str, Cost] = {
    "time": Cost(
        key="train_seconds",
        read=lambda result: result.train_seconds,
        words="training time",
        phrase="{} of training",
        title="train time",
        show=show_seconds,
        of_training=True,
    ),
    "trainable": Cost(
        key="trainable_parameters",
        read=lambda result: result.trainable_parameters,
        words="trainable parameters",
        phrase="{} trained parameters",
        title="trainable",
        show=show_count,
        read_limited=lambda result: result.trainable_percent,
        show_limit=show_percent,
        machine=False,
    ),
    "memory": Cost(
        key="peak_memory_bytes",
        read=lambda result: result.peak_memory_bytes,
        words="peak memory",
        phrase="{} of memory",
        title="peak memory",
        show=show_bytes,
        of_training=True,
    ),
    "adapter-size": Cost(
        key="adapter_bytes",
        read=lambda result: result.adapter_bytes,
        words="adapter size",
        phrase="{} to store",
        title="adapter",
        show=show_bytes,
        machine=False,
    ),
    "latency": Cost(
        key="inference_milliseconds",
        read=lambda result: result.inference_milliseconds,
        words="latency",
        phrase="{} per example",
        title="latency",
        show=show_milliseconds,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """The conditions that a method is chosen under."""

    by: str = "time"
    """The cost to minimise, one of `COSTS`."""

    margin: float = MARGIN
    """The score, as a fraction, that may be given up for a lower cost."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Upper limits by the names of `COSTS`, in the unit that `Cost.limited` returns."""

    @property
    def cost(self) -> Cost:
        """Return the cost to minimise."""
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

    Parameters
    ----------
    max_memory
        Limit on peak memory of training, such as ``6GB``.
    max_trainable
        Limit on the trainable share of the adapted model's parameters, such as ``1%``.
    max_adapter_size
        Limit on the size of the saved adapter, such as ``5MB``.
    max_latency
        Limit on the latency of one example, such as ``20ms``.
    max_train_time
        Limit on the training time of one trial, such as ``10m``.
    by
        The cost to minimise, one of `COSTS`.
    margin
        The score that may be given up for a lower cost, in points.

    Raises
    ------
    StudyError
        If an option cannot be read; the message says how to write it.
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
