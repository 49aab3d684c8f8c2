"""What `whichpeft auto` may spend, and what its answer has to fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whichpeft.errors import StudyError


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
    candidates: int = 4
    finalists: int = 6

    def __post_init__(self) -> None:
        bounds = [key for key in ("within", "examples", "trials") if getattr(self, key) is not None]
        if len(bounds) > 1:
            raise StudyError(f"auto: {' and '.join(bounds)} are given; give one of them")
        for key in (*bounds, "candidates", "finalists"):
            if getattr(self, key) <= 0:
                raise StudyError(f"auto: {key} is {getattr(self, key)}; it has to be more than 0")
        if self.margin < 0:
            raise StudyError(f"auto: margin is {self.margin}; it has to be 0 or more")
