"""Which trials of a run train as one model, and how many of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cache

import psutil

from whichpeft.engine import Job
from whichpeft.engine.fork_server import in_own_process
from whichpeft.errors import StudyError
from whichpeft.methods.peft_method import RECIPE
from whichpeft.records import Record

AUTO, OFF = "auto", "off"

WORTHWHILE = 1.2
"""Smallest measured speed-up, over training one by one, from which `auto` stacks trials."""

_TIMED = 8  # trials that a profile times as one model, at most
# Memory of K stacked trials, as a multiple of K single ones: stacking and folding make copies.
_MEMORY_FACTOR = 1.2
_USABLE = 0.8  # share of an accelerator's memory, or of a CPU's free memory; others need some too


def check_batch_trials(option: str) -> str:
    """Return the value of ``--batch-trials``. Raises StudyError if it is not one of its values."""
    if option not in (AUTO, OFF) and not (option.isdecimal() and int(option) >= 2):
        raise StudyError(
            f"--batch-trials is {option!r}; choose auto, off, or how many trials train as one model "
            "(2 or more)"
        )
    return option


def trials_to_time(option: str, device: str, trials: int) -> int:
    """Return how many trials a profile should time as one model; 0 for none.

    On a CPU, `auto` times none: stacking is hardly faster there than trials side by side.

    Parameters
    ----------
    option
        The value of ``--batch-trials``.
    trials
        How many trials there are that could train together.
    """
    return min(trials, _TIMED) if option == AUTO and device != "cpu" and trials > 1 else 0


def max_stacked(option: str, profile: Record | None, device: str) -> int:
    """Return how many trials of a profiled method may train as one model; 1 if only one by one."""
    if profile is None or option == OFF or not profile.value("trainable_parameters"):
        return 1
    if option == AUTO:
        worthwhile = (profile.value("batched_speedup") or 0.0) >= WORTHWHILE
        return int(profile.value("batched_trials") or 1) if worthwhile else 1
    peak = profile.value("peak_memory_bytes")
    if peak is None:  # a device whose memory is not known
        return 1
    fitting = int(_USABLE * _memory(device) // (_MEMORY_FACTOR * max(1.0, peak)))
    return max(1, min(int(option), fitting))


def stack_jobs(jobs: Sequence[Job], most: Callable[[Job], int], *, concurrency: int) -> list[Job]:
    """Stack jobs that can train as one model; each stack takes the place of its first job.

    Parameters
    ----------
    most
        Returns how many jobs like this one may be stacked.
    concurrency
        How many jobs run side by side; stacks are kept small enough to give each of them work.
    """
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        groups.setdefault(stacking_key(job), []).append(job)
    share = math.ceil(len(jobs) / concurrency)
    stacks: list[Job] = []
    for group in groups.values():
        count = math.ceil(len(group) / max(1, min(most(group[0]), share)))
        stacks += [stack(group[i::count]) for i in range(count)]
    order = {job.trial.fingerprint: place for place, job in enumerate(jobs)}
    return sorted(stacks, key=lambda job: order[job.trial.fingerprint])


def stack(jobs: Sequence[Job]) -> Job:
    """Return the first of some jobs, with the others to train along with it as one model."""
    first, *others = jobs
    return replace(first, stacked_with=tuple(others))


def stacking_key(job: Job) -> Hashable:
    """Return what trials must share to train as one model: all but seed and learning rate."""
    options = {key: v for key, v in job.method.hyperparameters.items() if key not in RECIPE}
    trial = job.trial
    return (
        trial.purpose,
        trial.backbone,
        trial.backbone_revision,
        trial.task,
        job.method.name,
        json.dumps(options, sort_keys=True, default=str),
    )


def _memory(device: str) -> int:
    """Return the bytes of memory that a device has for trials; 0 if it is another machine's."""
    if device.startswith("cuda"):
        return _gpu_memory(device)
    return int(psutil.virtual_memory().available)


@cache
def _gpu_memory(device: str) -> int:
    import torch

    # In another process, so that this one takes none of it.
    return in_own_process(_total_memory, device) if torch.cuda.is_available() else 0


def _total_memory(device: str) -> int:
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)
