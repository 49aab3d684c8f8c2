"""Trials on a Ray cluster. Only the process that started the run writes records."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import ray

from whichpeft.engine import Job, Result
from whichpeft.executors import ray_worker
from whichpeft.executors.connection import connect, disconnect
from whichpeft.executors.delivery import Delivery
from whichpeft.executors.executor import Resources
from whichpeft.executors.nodes import Nodes
from whichpeft.executors.observer import RunObserver
from whichpeft.executors.progress_feed import ProgressFeed
from whichpeft.executors.ray_run import RayRun
from whichpeft.records import Setting
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.engine.compute import Compute

_logger = logging.getLogger(__name__)

# In a worker of its own, so that the GPU memory it takes is given back.
_MULTIPLY_SPEED = ray.remote(max_calls=1)(ray_worker.multiply_speed)


class RayExecutor:
    """Runs trials as tasks on a Ray cluster: the one at ``RAY_ADDRESS``, or one that it starts here.

    Parameters
    ----------
    device
        ``auto``, ``cpu`` or ``cuda``.
    jobs
        The most trials to run side by side, or None for as many as fit.
    """

    def __init__(self, device: str, jobs: int | None) -> None:
        self._device, self._jobs = device, jobs
        self._connected_here = False
        self._feed: ProgressFeed | None = None
        self._delivery = Delivery()

    @property
    def compute(self) -> Compute:
        import torch

        from whichpeft.engine.compute import Compute

        setting = self.setting()
        device = "cuda:0" if setting.device == "cuda" else setting.device
        return Compute(torch.device(device), setting.precision)

    def begin(self, study: Study, families: Sequence[str], like: Iterable[Setting] = ()) -> None:
        self._connected_here = connect() or self._connected_here
        self._nodes = Nodes(self._device, study, list(like))
        self._feed = ProgressFeed()

    def notes(self) -> list[str]:
        return self._nodes.notes

    def setting(self) -> Setting:
        return self._nodes.reference.setting

    def concurrency(self, resources: Resources) -> int:
        return self._nodes.concurrency(resources, self._jobs)

    def multiply_speed(self, threads: int) -> float | None:
        node = next(iter(self._nodes.profiling_nodes()), None)
        if node is None:  # it has just been lost
            return None
        options = node.options(Resources(alone=True))
        device, precision = str(self.compute.device), self.compute.precision
        try:
            measured = _MULTIPLY_SPEED.options(**options).remote(device, precision, threads)
            return float(ray.get(measured))
        except ray.exceptions.RayError:  # such as a GPU that other processes have filled
            _logger.debug("could not measure matrix products on %s", node.address, exc_info=True)
            return None

    def run(
        self,
        jobs: Iterable[Job | None],
        resources: Resources,
        observer: RunObserver,
        *,
        until: float | None = None,
    ) -> Generator[tuple[Job, Result], None, None]:
        assert self._feed is not None
        return RayRun(
            jobs,
            resources,
            observer,
            device=str(self.compute.device),
            limit=self._jobs,
            nodes=self._nodes,
            delivery=self._delivery,
            feed=self._feed,
            until=until,
        ).results()

    def close(self) -> None:
        if not ray.is_initialized():
            return
        if self._feed is not None:
            self._delivery.clear_away(self._nodes)
            self._feed.close()
        if self._connected_here:
            disconnect()
