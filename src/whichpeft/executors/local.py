"""Trials on this machine."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import psutil

from whichpeft.engine import Job, Result
from whichpeft.engine.fork_server import in_own_process, start_server
from whichpeft.executors.executor import Resources
from whichpeft.executors.observer import RunObserver
from whichpeft.executors.places import gpu_places
from whichpeft.executors.trial_processes import run_jobs
from whichpeft.records import Setting
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.engine.compute import Compute
    from whichpeft.executors.gpus import Gpu

_logger = logging.getLogger(__name__)


class LocalExecutor:
    """Runs trials as processes on this machine.

    A CPU and each GPU run as many as they have room for; a group of GPUs, or an Apple GPU, one.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    jobs
        The most trials to run side by side; on a CPU exactly that many. None for as many as fit.
    """

    def __init__(self, device: str = "auto", jobs: int | None = None) -> None:
        self._device, self._jobs = device, jobs
        self._devices: list[str] = []
        self._gpus: list[Gpu] = []
        self._notes: list[str] = []
        self._compute: Compute | None = None

    @property
    def compute(self) -> Compute:
        assert self._compute is not None
        return self._compute

    def begin(self, study: Study, families: Sequence[str], like: Iterable[Setting] = ()) -> None:
        start_server(families)
        from whichpeft.backbones.attention import check_attention
        from whichpeft.backbones.quantisation import check_quantising
        from whichpeft.engine.compute import Compute, choose_compute, find_devices, group_devices

        found = find_devices(self._device)
        self._devices = group_devices(found, study.conditions.shards)
        first, conditions = self._devices[0], study.conditions
        check_quantising(conditions.quantise, first)
        if first.startswith("cuda"):
            import torch

            from whichpeft.executors.gpus import find_gpus

            self._gpus, self._notes = find_gpus(self._devices, conditions.precision, others=found)
            self._compute = Compute(torch.device(first), self._gpus[0].setting.precision)
        else:
            self._compute = choose_compute(first, conditions.precision, others=found)
        check_attention(conditions.attention, first, self._compute.precision)

    def notes(self) -> list[str]:
        return self._notes

    def setting(self) -> Setting:
        if self._gpus:
            return self._gpus[0].setting
        from whichpeft.engine.environment import describe_setting

        return describe_setting(self.compute, 0)

    def concurrency(self, resources: Resources) -> int:
        return len(self._places(resources))

    def multiply_speed(self, threads: int) -> float | None:
        """On an accelerator, measure in another process, so that this one takes none of its memory."""
        from whichpeft.costs import measure_matmul

        if self.compute.device.type == "cpu":
            return measure_matmul(self.compute, threads)
        try:
            return in_own_process(measure_matmul, self.compute, threads)
        except Exception:  # a GPU that other processes have filled; the run does without this figure
            _logger.debug("could not measure matrix products", exc_info=True)
            return None

    def run(
        self,
        jobs: Iterable[Job | None],
        resources: Resources,
        observer: RunObserver,
        *,
        until: float | None = None,
    ) -> Generator[tuple[Job, Result], None, None]:
        return run_jobs(jobs, self._places(resources), observer, until=until)

    def close(self) -> None:
        """Do nothing: the fork server ends with this process."""

    def _places(self, resources: Resources) -> list[str]:
        """Return a device for each trial that may run at the same time."""
        from whichpeft.engine.environment import usable_cores

        cores, memory = usable_cores(), int(psutil.virtual_memory().available)
        if self._gpus:
            return gpu_places(self._gpus, resources, self._jobs, cores=cores, memory=memory)
        if resources.alone or self._devices[0] != "cpu":
            return self._devices[:1]
        by_cores = max(1, cores // resources.cores)
        by_memory = max(1, memory // resources.bytes)
        return ["cpu"] * (self._jobs or min(by_cores, by_memory))
