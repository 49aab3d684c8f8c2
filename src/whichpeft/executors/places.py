"""How many trials run side by side on each GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichpeft.executors.executor import Resources
from whichpeft.records.comparability import cost_kind

if TYPE_CHECKING:
    from whichpeft.executors.gpus import Gpu

_TRIALS = 4  # on one GPU, unless the user asks for more; then even small models keep most of it busy
_CORES = 2  # for each trial: its own thread, and that of the backward pass
_USABLE = 0.8  # share of the free memory of a GPU
_FACTOR = 1.2  # what evaluation and fragments of memory take, as a multiple of the profile's peak
_CONTEXT = 600_000_000  # bytes that a process takes on a GPU before its first tensor


def gpu_places(
    gpus: Sequence[Gpu], resources: Resources, jobs: int | None, *, cores: int, memory: int
) -> list[str]:
    """Return a GPU for each trial that may run at the same time: each one once before any a second time.

    Profiles have their GPU to themselves, and only run on GPUs of one kind. A GPU that is too small for
    a trial gets none if another one is not.

    Parameters
    ----------
    gpus
        The GPUs; those of a sharded trial count as one.
    jobs
        The most trials to run side by side; None for as many as fit, up to four on each GPU.
    cores, memory
        Cores that trials may use, and bytes of memory that are free on the machine.
    """
    by_cores = max(1, cores // _CORES)
    by_memory = max(1, memory // resources.host_bytes)
    if resources.alone:
        kind = cost_kind(gpus[0].setting)
        alike = [gpu.device for gpu in gpus if cost_kind(gpu.setting) == kind]
        return alike[: min(by_cores, by_memory, jobs or by_cores)]
    most = jobs or max(len(gpus), min(by_cores, _TRIALS * len(gpus)))
    turns = range(jobs or _TRIALS)
    able = [gpu for gpu in gpus if gpu.free >= resources.memory + _CONTEXT]
    # If all seem too small, only a trial can tell.
    places = [gpu.device for turn in turns for gpu in able or gpus if turn < _room(gpu, resources)]
    return places[: min(most, by_memory)]


def _room(gpu: Gpu, resources: Resources) -> int:
    """Return how many trials fit on a GPU; one if their memory is not known."""
    if not gpu.shared or resources.shards > 1 or not resources.memory:
        return 1
    return max(1, int(_USABLE * gpu.free // (_FACTOR * resources.memory + _CONTEXT)))
