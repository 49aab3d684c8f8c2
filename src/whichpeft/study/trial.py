"""Trial: one run of one cell of a study, and the fingerprint that identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from whichpeft.study.conditions import FIRST_CONDITIONS, Conditions
from whichpeft.study.spec import Budget

Purpose = Literal["profile", "screen", "tune", "final"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of one cell of a study."""

    purpose: Purpose
    """``profile`` measures costs, ``tune`` tries one candidate, ``final`` gives a test score.

    ``screen`` is a ``tune`` trial that pauses after `stop_after` steps, to be compared with others.
    """

    backbone: str
    """Short name of the backbone, for display; `backbone_revision` identifies its weights."""

    backbone_revision: str
    """Hash or revision of the backbone's weights."""

    task: str
    """Short name of the task, for display; `data` identifies its content."""

    data: str
    """Hash of the task's data."""

    method: str
    """The method as written by the user."""

    method_id: str
    """Canonical form of the method's name."""

    hyperparameters: Mapping[str, Any]
    """All hyperparameters of the method, defaults included."""

    seed: int
    """Seed of the head, the adapter, the order of examples and dropout."""

    budget: Budget
    """What the trial may spend."""

    conditions: Conditions = field(default_factory=Conditions)
    """How the trial computes."""

    number: int | None = None
    """Place of a tuning trial in its method's search; 0 is the default."""

    stop_after: int | None = None
    """Optimiser steps after which a screening trial pauses; None for all others."""

    def __post_init__(self) -> None:
        if (self.purpose == "screen") != (self.stop_after is not None):
            raise ValueError(f"a {self.purpose} trial with stop_after {self.stop_after}")
        if self.stop_after is not None and self.stop_after < 1:
            raise ValueError(f"stop_after is {self.stop_after}; it has to be 1 or more")

    @property
    def whole(self) -> Trial:
        """The tuning trial that a screening trial is the beginning of; for other trials themselves.

        All beginnings of a trial share its checkpoint.
        """
        return self if self.purpose != "screen" else replace(self, purpose="tune", stop_after=None)

    def beginning(self, step: int) -> Trial:
        """Return the screening trial that pauses this tuning trial after some steps."""
        return replace(self, purpose="screen", stop_after=step)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the result; also the name of the record's file.

        The spelling of the method and the place in a search decide nothing. Fields that were added
        after the first records count only if they are not at their default, so the fingerprints of
        older records stay the same.
        """
        asked = asdict(self)
        for key in ("method", "number", "conditions"):
            del asked[key]
        if self.stop_after is None:
            del asked["stop_after"]
        asked |= self.conditions.written("fingerprint")
        asked["budget"] = self.budget.fingerprinted
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values, with its conditions as keys of its own."""
        written = asdict(self)
        del written["conditions"]
        number = {"number": written.pop("number")}
        if self.budget.max_validation is None:  # records that were made before it stay as they are
            del written["budget"]["max_validation"]
        stop_after = written.pop("stop_after")
        if stop_after is not None:
            number["stop_after"] = stop_after
        conditions = self.conditions.written("record")
        first = {key: conditions[key] for key in FIRST_CONDITIONS}
        return written | first | number | conditions

    @property
    def cell(self) -> tuple[str, str, str]:
        """Backbone, task and canonical method, which all seeds of a comparison share."""
        return self.backbone, self.task, self.method_id
