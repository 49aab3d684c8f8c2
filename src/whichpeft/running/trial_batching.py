"""Which trials of a run train together as one model, and how many at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import psutil

from whichpeft.engine import Job
from whichpeft.errors import StudyError
from whichpeft.methods.peft_method import RECIPE
from whichpeft.records import Record

AUTO, OFF = "auto", "off"
PAYS = 1.2  # times as quick as one by one, from which on it is worth it
_TIMED = 8  # trials that are timed together, at most
# Of K trials together, against K times one: what is stacked and folded is copied on the way.
_ROOM = 1.2
_USABLE = 0.8  # of an accelerator's memory, or of what a CPU has left: others want some too


def check_batch_trials(asked: str) -> str:
    """Return how trials are to be batched. Raises StudyError where it is none of the ways there are."""
    if asked not in (AUTO, OFF) and not (asked.isdecimal() and int(asked) >= 2):
        raise StudyError(
            f"--batch-trials is {asked!r}; it is auto, off, or the number of trials that train as one "
            "model, from 2"
        )
    return asked


def trials_to_time(asked: str, device: str, trials: int) -> int:
    """Return how many trials a profile should time as one model; 0 for none.

    trials: how many there are that could train together. On a CPU batching hardly pays against trials
    side by side, so that `auto` leaves it there.
    """
    return min(trials, _TIMED) if asked == AUTO and device != "cpu" and trials > 1 else 0


def max_stacked(asked: str, profile: Record | None, device: str) -> int:
    """Return how many trials of a profiled method may train as one model: 1 where none beside it."""
    if profile is None or asked == OFF or not profile.value("trainable_parameters"):
        return 1
    if asked == AUTO:
        pays = (profile.value("batched_speedup") or 0.0) >= PAYS
        return int(profile.value("batched_trials") or 1) if pays else 1
    peak = profile.value("peak_memory_bytes")
    if peak is None:  # a device whose memory cannot be foreseen
        return 1
    return max(1, min(int(asked), int(_USABLE * _memory(device) // (_ROOM * max(1.0, peak)))))


def stack_jobs(jobs: Sequence[Job], most: Callable[[Job], int], *, concurrency: int) -> list[Job]:
    """Put jobs that can train as one model together, each group where its first job was.

    most: how many of a job's kind may be together. concurrency: how many jobs run side by side, none of
    which is to be without work.
    """
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        groups.setdefault(kind(job), []).append(job)
    share = math.ceil(len(jobs) / concurrency) if concurrency else 1
    joined: list[Job] = []
    for group in groups.values():
        parts = math.ceil(len(group) / max(1, min(most(group[0]), share)))
        joined += [stacked_job(group[i::parts]) for i in range(parts)]
    order = {job.trial.fingerprint: place for place, job in enumerate(jobs)}
    return sorted(joined, key=lambda job: order[job.trial.fingerprint])


def stacked_job(jobs: Sequence[Job]) -> Job:
    """Return the first of some jobs with the others along."""
    first, *others = jobs
    return replace(first, along=tuple(others))


def kind(job: Job) -> Hashable:
    """What has to agree for trials to train as one model: all but seed and learning rate."""
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
    """Return the bytes that a device has for trials; 0 where it is another machine's."""
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            return 0
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().available)
