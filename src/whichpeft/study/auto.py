"""What `whichpeft auto` may spend, and what its answer has to fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from whichpeft.errors import StudyError, unknown
from whichpeft.units import parse_duration

LIMITS = ("max_memory", "max_trainable", "max_adapter_size", "max_latency", "max_train_time")
"""The limits of costs, as options of `whichpeft choose`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoOptions:
    """How a race between methods is bounded, and what the chosen method has to fit.

    Parameters
    ----------
    within
        Seconds that everything may take, from the start of the command; None for no limit.
    examples
        Training examples that all trials together may use; None for no limit.
    trials
        The same as a number of whole trainings.
    margin
        Score that the user accepts to lose for a cheaper method, in points.
    by
        Cost to minimise: time, trainable, memory, adapter-size or latency.
    limits
        Limits of costs by their names in `whichpeft choose`, as written: ``{"max_memory": "6GB"}``.
    candidates
        Most candidates of a method, its default included.
    finalists
        Most methods that are tested on fresh seeds.

    Raises
    ------
    StudyError
        If a value is out of range, or more than one bound is given.
    """

    within: float | None = None
    examples: int | None = None
    trials: int | None = None
    margin: float = 2.0
    by: str = "time"
    limits: Mapping[str, str] = field(default_factory=dict)
    candidates: int = 8
    finalists: int = 6

    def __post_init__(self) -> None:
        bounds = [key for key in ("within", "examples", "trials") if getattr(self, key) is not None]
        if len(bounds) > 1:
            raise StudyError(f"auto: {' and '.join(bounds)} are given; give one of them")
        for key in (*bounds, "candidates", "finalists"):
            if not (math.isfinite(getattr(self, key)) and getattr(self, key) > 0):
                raise StudyError(f"auto: {key} is {getattr(self, key)}; it has to be more than 0")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise StudyError(f"auto: margin is {self.margin}; it has to be 0 or more, in points")
        for key in self.limits:
            if key not in LIMITS:
                raise StudyError(f"auto: {unknown('limit', key, LIMITS)}")

    def written(self) -> dict[str, object]:
        """Return the options as a study file has them, the limits among the others."""
        own = {
            info.name: value
            for info in fields(self)
            if info.name != "limits" and (value := getattr(self, info.name)) != info.default
        }
        if self.within is not None:
            own["within"] = f"{self.within:.15g}s"
        return own | dict(self.limits)


def read_auto(given: Mapping[str, object]) -> AutoOptions:
    """Read options as people write them: ``within: 30m``, ``max_trainable: 1%``.

    Raises
    ------
    StudyError
        If a key is unknown or a value cannot be read.
    """
    own = [info.name for info in fields(AutoOptions) if info.name != "limits"]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in (*own, *LIMITS):
            raise StudyError(f"auto: {unknown('key', key, (*own, *LIMITS))}")
        if key in own and value is not None:
            values[key] = _read(key, value)
    limits = {key: str(given[key]) for key in LIMITS if given.get(key) is not None}
    return AutoOptions(**values, limits=limits)


def _read(key: str, value: object) -> object:
    if key == "within" and isinstance(value, str):
        try:
            return parse_duration(value)
        except StudyError as error:
            raise StudyError(f"auto: within: {error}") from None
    kinds, wanted = _KINDS.get(key, ((int,), "a whole number"))
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise StudyError(f"auto: {key} is {value!r}; it has to be {wanted}")
    return value


_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "within": ((), "a duration such as 30m"),
    "margin": ((int, float), "a number of points such as 2.0"),
    "by": ((str,), "the name of a cost such as time"),
}
