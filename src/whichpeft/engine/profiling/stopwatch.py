"""A clock for the parts of a device's work that does not make the device wait between them."""

from __future__ import annotations

import itertools
import time
from typing import Any

import torch

from whichpeft.engine.compute import Compute


class Stopwatch:
    """Times some work and its parts: start, mark the end of each part, then stop.

    On an accelerator a mark is an event in the device's queue, so the host does not wait. The times of
    the parts are then the device's, and the total is the host's.
    """

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._began = 0.0
        self._marks: list[Any] = []

    def start(self) -> None:
        self._compute.synchronise()
        self._began = time.perf_counter()
        self._marks = []
        self.mark()

    def mark(self) -> None:
        """Mark the end of a part."""
        if self._compute.device.type == "cpu":
            self._marks.append(time.perf_counter())
            return
        event = _event(self._compute.device)
        event.record()
        self._marks.append(event)

    def stop(self) -> tuple[float, ...]:
        """Return the seconds since the start, followed by those of each part."""
        self._compute.synchronise()
        whole = time.perf_counter() - self._began
        parts = itertools.pairwise(self._marks)
        if self._compute.device.type == "cpu":
            return (whole, *(end - begin for begin, end in parts))
        return (whole, *(begin.elapsed_time(end) / 1000 for begin, end in parts))


def _event(device: torch.device) -> Any:
    if device.type == "cuda":
        return torch.cuda.Event(enable_timing=True)
    return torch.mps.event.Event(enable_timing=True)
