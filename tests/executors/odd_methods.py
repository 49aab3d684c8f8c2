"""Methods that harm their trial's process as a machine can. The nodes of a cluster import them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from whichpeft.methods import MethodInfo, PlainAdapter, PlainMethod


@dataclass(frozen=True, kw_only=True)
class Killed(PlainMethod):
    """Kills its process as the kernel does if memory runs out."""

    info = MethodInfo(name="killed", description="dies")

    def apply(self, model: Any, context: Any) -> PlainAdapter:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Hungry(PlainMethod):
    """Takes more and more memory until it is ended."""

    info = MethodInfo(name="hungry", description="takes all there is")

    def apply(self, model: Any, context: Any) -> PlainAdapter:
        taken = []
        for _ in range(200):
            taken.append(bytearray(os.urandom(1 << 20) * 64))
            time.sleep(0.1)
        raise AssertionError
