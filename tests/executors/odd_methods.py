"""Methods that do to a trial's process what machines do to them; the nodes of a cluster import them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from whichpeft.methods import MethodInfo, PlainAdapter, PlainMethod


@dataclass(frozen=True, kw_only=True)
class Killed(PlainMethod):
    """Its process is killed as the kernel kills one for which there is no memory left."""

    info = MethodInfo(name="killed", description="dies")

    def apply(self, model: Any, context: Any) -> PlainAdapter:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Hungry(PlainMethod):
    """Takes memory, bit by bit, until somebody ends it."""

    info = MethodInfo(name="hungry", description="takes all there is")

    def apply(self, model: Any, context: Any) -> PlainAdapter:
        taken = []
        for _ in range(200):
            taken.append(bytearray(os.urandom(1 << 20) * 64))
            time.sleep(0.1)
        raise AssertionError
