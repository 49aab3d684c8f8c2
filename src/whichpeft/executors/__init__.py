"""Where trials run: processes on this machine, or a Ray cluster."""

from __future__ import annotations

from whichpeft.errors import StudyError, unknown
from whichpeft.executors.executor import Executor, Resources
from whichpeft.executors.local import LocalExecutor
from whichpeft.executors.observer import RunObserver, SilentObserver

__all__ = ["Executor", "LocalExecutor", "Resources", "RunObserver", "SilentObserver", "make_executor"]

EXECUTORS = ("local", "ray")


def make_executor(name: str, *, device: str, jobs: int | None) -> Executor:
    """Return the executor of that name; its `begin` has to be called next.

    Takes `device` and `jobs` as `whichpeft.run` does. Raises StudyError if the name is unknown or its
    library is not installed.
    """
    if name == "local":
        return LocalExecutor(device, jobs)
    if name == "ray":
        try:
            from whichpeft.executors.on_ray import RayExecutor
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "ray":
                raise
            raise StudyError(
                "executor ray: Ray is not installed; run `pip install 'whichpeft[ray]'` on every node"
            ) from None
        return RayExecutor(device, jobs)
    raise StudyError(unknown("executor", name, EXECUTORS))
