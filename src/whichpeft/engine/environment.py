"""The hardware and the library versions that a trial runs with."""

from __future__ import annotations

import datetime
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from whichpeft.engine.compute import Compute
from whichpeft.records import Setting

_LIBRARIES = ("whichpeft", "torch", "transformers", "peft", "tokenizers", "numpy", "lm_eval")


def describe_setting(compute: Compute, concurrent_trials: int) -> Setting:
    """Describe this process's setting, with this many other trials allowed at the same time."""
    hardware: dict[str, object] = {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
        "accelerator": None,
    }
    if compute.device.type == "cuda":
        hardware["accelerator"] = torch.cuda.get_device_name(compute.device)
    elif compute.device.type == "mps":
        hardware["accelerator"] = "Apple GPU"
    return Setting(
        hardware=hardware,
        versions={"python": platform.python_version(), **_versions()},
        device=compute.device.type,
        precision=compute.precision,
        beside=concurrent_trials,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError

    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
