"""A method that waits, in a module of its own that a trial's process imports quickly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from whichpeft.methods import MethodInfo, PlainAdapter, PlainMethod


@dataclass(frozen=True, kw_only=True)
class Waiting(PlainMethod):
    """Waits for a twentieth of a second; the process and model of a trial take about three more."""

    info = MethodInfo(name="waiting", description="does nothing for a while")

    def apply(self, model: Any, context: Any) -> PlainAdapter:
        time.sleep(0.05)
        return PlainAdapter(model, lambda name: False, context.head)
