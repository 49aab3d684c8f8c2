"""Other work on the machine while a profile is timed: how much there is, and a little patience with it.

A trial needs as many cores as it has threads. Cores that nobody else uses are enough for it; what other
processes take beyond them is taken from the trial. On Linux that share agrees with the time that the
trial's threads wait for a processor, but it can be read on any system.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil
import torch

from whichpeft.engine.compute import Compute
from whichpeft.engine.environment import usable_cores
from whichpeft.engine.meter import Meter
from whichpeft.engine.process_group import Group
from whichpeft.engine.profiling.timing_rounds import fact
from whichpeft.records import Measurement
from whichpeft.records.other_work import BUSY, GPU_TAKEN, WAITED

_logger = logging.getLogger(__name__)

_REPEATS = 2  # times that something is measured again
_LOOK = 0.25  # seconds over which the load is read while nothing is timed; its counters tick every 0.01
_GPU_PATIENCE = 1.5  # seconds; what a GPU says of itself is about the last second, another profile's end
_GPU_LOOK = 0.5
# Times of a core that are spent in work. Time that a hypervisor gave to other machines is among them.
_WORK = ("user", "nice", "system", "irq", "softirq", "steal")


class _Counters(NamedTuple):
    now: float
    """Seconds of a clock."""
    worked: float
    """Seconds that all usable cores have worked, added up."""
    own: float
    """Seconds that they have worked for this process."""


def share_taken(others: float, seconds: float, cores: int, needed: int) -> float:
    """Return the share of the needed cores that others took, who worked so many seconds on all cores."""
    if seconds <= 0:
        return 0.0
    return min(1.0, max(0.0, others / seconds - (cores - needed)) / needed)


class OtherWork:
    """Reads how much of its processors a profile lacks, and measures again when others have ended.

    Parameters
    ----------
    compute
        What the trial computes with.
    threads
        Threads of each of its processes on a CPU.
    group
        Its processes. If there are several, nothing waits or is measured again.
    meter
        Counts the time of waiting as warm-up.
    patience
        Seconds to wait at most.
    """

    def __init__(
        self, compute: Compute, threads: int, group: Group, meter: Meter, patience: float
    ) -> None:
        self._cores = usable_cores()
        each = threads if compute.device.type == "cpu" else 1  # the thread that starts kernels
        self._needed = min(self._cores, each * group.size)
        self._group, self._meter = group, meter
        self._left = patience if group.size == 1 else 0.0
        self._waited = 0.0
        self._gpu = self._used_gpu(compute.device) if compute.device.type == "cuda" else None

    def watch(self, name: str, read: Callable[[], list[Measurement]]) -> list[Measurement]:
        """Return what `read` measures, and under `name` the share that others took meanwhile.

        If others were at work and end in time, it is measured again; what was disturbed least counts.
        """
        found, taken = self._watched(read)
        for _ in range(_REPEATS):
            if taken is None or taken < BUSY or not self._quiet_in_time():
                break
            later, share = self._watched(read)
            if share is not None and share < taken:
                found, taken = later, share
        return found if taken is None else [*found, fact(name, taken, "fraction", "processors")]

    def measurements(self) -> list[Measurement]:
        """Return what is known apart from the readings: the GPU's other users, and the time waited."""
        found = [] if self._gpu is None else [fact(GPU_TAKEN, self._gpu, "fraction", "nvidia-smi")]
        return [*found, *([fact(WAITED, self._waited, "s")] if self._waited else [])]

    def _watched(self, read: Callable[[], list[Measurement]]) -> tuple[list[Measurement], float | None]:
        before = _counters()
        found = read()
        return found, self._taken(before)

    def _quiet_in_time(self) -> bool:
        """Wait until others leave the cores that are needed; return whether they did in time."""
        while self._left > 0:
            before = _counters()
            self._wait(min(_LOOK, self._left))
            if (self._taken(before) or 0.0) < BUSY:
                return True
        return False

    def _wait(self, seconds: float) -> None:
        with self._meter.phase("warm-up"):
            time.sleep(seconds)
        self._left = max(0.0, self._left - seconds)
        self._waited += seconds

    def _taken(self, before: _Counters | None) -> float | None:
        """Return the share of the needed cores that others have taken; None if it cannot be told.

        The processes of a group may have read the counters at slightly different times.
        """
        after = _counters()
        mine = None if before is None or after is None else _since(before, after)
        spans = [span for span in self._group.gathered(mine) if span is not None]
        own = sum(span.own for span in spans)
        # Some sandboxes count nothing.
        if len(spans) < self._group.size or any(span.worked < own / 2 for span in spans):
            return None
        return max(share_taken(span.worked - own, span.now, self._cores, self._needed) for span in spans)

    def _used_gpu(self, device: torch.device) -> float | None:
        """Return how much others use a GPU, after waiting a little if they do."""
        most = self._left + _GPU_PATIENCE
        used = read_gpu_use(device)
        while used is not None and used >= BUSY and self._waited < most:
            self._wait(_GPU_LOOK)
            used = read_gpu_use(device)
        return used


def read_gpu_use(device: torch.device) -> float | None:
    """Return the share of about the last second in which a GPU computed; None if it cannot be told."""
    asked = [
        "nvidia-smi",
        # By its unique name, since CUDA_VISIBLE_DEVICES changes the numbers.
        f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
    ]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return float(answer) / 100
    except (OSError, subprocess.SubprocessError, ValueError):  # no such program, or a part of a GPU
        _logger.debug("cannot read the use of %s", device, exc_info=True)
        return None


def _since(before: _Counters, after: _Counters) -> _Counters:
    return _Counters(*(now - then for now, then in zip(after, before, strict=True)))


def _counters() -> _Counters | None:
    """Read the counters of the cores that this process may use; None if the system has none."""
    try:
        times = psutil.cpu_times(percpu=True)
    except Exception:  # what psutil raises depends on the system
        _logger.debug("cannot read the load of the machine", exc_info=True)
        return None
    if hasattr(os, "sched_getaffinity"):
        times = [core for i, core in enumerate(times) if i in os.sched_getaffinity(0)]
    worked = sum(getattr(core, kind, 0.0) for core in times for kind in _WORK)
    return _Counters(time.perf_counter(), worked, time.process_time())
