"""Where trials run: processes on this machine, or a Ray cluster."""

from __future__ import annotations

from whichpeft.errors import StudyError
from whichpeft.executors.executor import Executor, Resources
from whichpeft.executors.local import LocalExecutor
from whichpeft.executors.observer import RunObserver, SilentObserver

__all__ = ["Executor", "LocalExecutor", "Resources", "RunObserver", "SilentObserver", "make_executor"]

EXECUTORS = ("local", "ray")


def make_executor(name: str, *, device: str, jobs: int | None) -> Executor:
    """Return the executor of a name, to be begun. Raises StudyError where there is none of it.

    device and jobs: as for `whichpeft.run`.
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
                "executor ray: needs Ray; pip install 'whichpeft[ray]' brings it, on every node"
            ) from None
        return RayExecutor(device, jobs)
    raise StudyError(f"unknown executor {name!r}; it is one of {', '.join(EXECUTORS)}")
