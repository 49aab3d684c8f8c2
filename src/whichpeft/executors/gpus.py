"""The GPUs that a run may use, as a process of its own sees them.

The process that starts trials computes nothing on a GPU. Its context would take half a gigabyte for as
long as the run lasts, and on a GPU that is set to one process at a time no trial could start.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from whichpeft.engine.compute import choose_compute
from whichpeft.engine.environment import describe_setting
from whichpeft.engine.fork_server import in_own_process, stop_forking
from whichpeft.errors import StudyError
from whichpeft.records import Setting

_COMPUTE_MODE, _SHARED = 20, 0  # of the CUDA driver's cuda.h


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A GPU on which trials may run."""

    device: str
    """Its name in torch, such as ``cuda:1``."""

    setting: Setting
    """The hardware, versions and precision of a trial on it."""

    free: int
    """Bytes of its memory that were free when the run began."""

    shared: bool
    """Whether several processes may use it at the same time."""


def find_gpus(
    devices: Sequence[str], precision: str, others: Sequence[str] = ()
) -> tuple[list[Gpu], list[str]]:
    """Look at GPUs, in a process that starts as trials do; return them and notes for the user.

    If a library has used the GPU while it was imported for all trials, no trial that is forked can use
    it. Trials then start from scratch.

    Parameters
    ----------
    devices
        The GPUs, as torch names them.
    precision, others
        As `choose_compute` takes them.

    Raises
    ------
    StudyError
        If a GPU cannot be used, or does not have the precision.
    """
    try:
        return in_own_process(look_at, devices, precision, others), []
    except RuntimeError as error:
        if "forked subprocess" not in str(error):
            raise _unusable(error) from error
    stop_forking()
    note = (
        "each trial starts from scratch, which takes seconds, because a library uses the GPU when it is "
        "imported"
    )
    try:
        return in_own_process(look_at, devices, precision, others), [note]
    except RuntimeError as error:
        raise _unusable(error) from error


def look_at(devices: Sequence[str], precision: str, others: Sequence[str]) -> list[Gpu]:
    """Describe GPUs. Raises RuntimeError if this process cannot compute on one of them."""
    found = []
    for device in devices:
        compute = choose_compute(device, precision, [*devices, *others])
        torch.zeros(1, device=device)
        free, _ = torch.cuda.mem_get_info(device)
        setting = describe_setting(compute, 0)
        found.append(Gpu(device=device, setting=setting, free=free, shared=_may_be_shared(device)))
    return found


def _may_be_shared(device: str) -> bool:
    """Ask CUDA's driver whether several processes may use a GPU; True if it cannot be asked."""
    mode = ctypes.c_int(_SHARED)
    with contextlib.suppress(OSError, AttributeError):
        driver, handle = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
        if driver.cuDeviceGet(ctypes.byref(handle), torch.device(device).index or 0) == 0:
            driver.cuDeviceGetAttribute(ctypes.byref(mode), _COMPUTE_MODE, handle)
    return mode.value == _SHARED


def _unusable(error: RuntimeError) -> StudyError:
    reason = " ".join(str(error).split())[:300]
    return StudyError(
        f"device cuda: a GPU cannot be used ({reason}); name others in CUDA_VISIBLE_DEVICES, or use "
        "--device cpu"
    )
