"""What an estimate assumes: the device, the lengths of examples, and the speed of the machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from whichpeft.backbones import Backbone
from whichpeft.costs.speed import measure_speed
from whichpeft.engine.batches import as_trained_on, learnt_positions, padded_length
from whichpeft.engine.compute import DEVICES, Compute, choose_compute, find_devices
from whichpeft.engine.memory import ran_out_of_memory
from whichpeft.errors import BackboneError, StudyError, unknown
from whichpeft.study import Study
from whichpeft.tasks import GenerativeTask, Task
from whichpeft.tasks.no_task import NoTask

_USUAL_LENGTH = 128
_USUAL_WIDTH = 768


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """What the estimates of all methods of one backbone and task assume."""

    compute: Compute
    """Device and precision that the estimate is for."""

    length: int
    """Length of the longest training example."""

    typical_length: int | None
    """Mean length of the padded examples of a batch; None if the task's examples are not available."""

    learnt: int | None
    """Most positions of an example with a next token to learn; None if all may have one."""

    typical_learnt: int | None
    """Mean of these positions in a batch."""

    examples: int | None
    """Number of training examples; None if unknown."""

    memory: int | None
    """Bytes that training should fit in; None if no limit was given."""

    speed: float | None
    """FLOP/s of training; None if unknown."""


def find_planning_compute(device: str, precision: str) -> tuple[Compute, bool]:
    """Return the device and the precision to plan for, and whether this machine has the device.

    A missing device is assumed to multiply bfloat16, as GPUs have for years.
    """
    if device not in DEVICES:
        raise StudyError(unknown("device", device, DEVICES))
    try:
        found = find_devices(device)[0]
    except StudyError:
        usual = "float32" if device == "mps" else "bfloat16"
        return Compute(torch.device(device), usual if precision == "auto" else precision), False
    able = choose_compute(found, "auto" if precision == "bfloat16" else precision)
    chosen = able.precision if precision == "auto" else precision
    return Compute(torch.device(able.device.type), chosen), True


def make_assumptions(
    study: Study,
    backbone: Backbone,
    task: Task,
    compute: Compute,
    length: int | None,
    memory: int | None,
    speed: float | None,
    *,
    here: bool,
) -> Assumptions:
    """Find what is not given: lengths from the task's examples, and the speed by a measurement.

    `here` is whether this machine has the device, so that its speed can be measured.
    """
    budget = study.budget
    examples = task.counts["train"] if not isinstance(task, NoTask) else budget.max_train
    if examples is not None and budget.max_train is not None:
        examples = min(examples, budget.max_train)
    limit = backbone.input_positions
    if length is not None and length < 1:
        raise StudyError(f"--length is {length}; it has to be 1 or more")
    if length is not None and limit is not None and length > limit:
        raise StudyError(f"--length is {length}; {backbone.name} reads {limit} at most")
    longest, typical, learnt = (length, None, None) if length else _lengths(study, backbone, task)
    if speed is None and examples is not None and here:
        speed = _measured_speed(study, compute, backbone, typical or longest)
    return Assumptions(
        compute=compute,
        length=longest,
        typical_length=typical,
        learnt=learnt[0] if learnt else None,
        typical_learnt=learnt[1] if learnt else None,
        examples=examples,
        memory=memory,
        speed=speed,
    )


def _measured_speed(study: Study, compute: Compute, backbone: Backbone, length: int) -> float | None:
    """Measure the speed and free what that took; None if other processes have filled the device."""
    try:
        speed = measure_speed(
            compute,
            width=backbone.width or _USUAL_WIDTH,
            batch_size=study.budget.batch_size,
            length=length,
            threads=study.conditions.threads,
        )
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        speed = None
    if compute.device.type != "cpu":
        compute.let_go()
    return speed


def _lengths(
    study: Study, backbone: Backbone, task: Task
) -> tuple[int, int | None, tuple[int, int] | None]:
    """Return the longest training example's length, the mean padded one, and `learnt_positions`."""
    if isinstance(task, NoTask):
        return task.usual_length, None, None
    usual, typical = _usual_lengths(backbone, task)
    if backbone.folder is None or (isinstance(task, GenerativeTask) and not task.splits):
        return usual, typical, None
    try:
        train = task.encode(backbone, max_train=study.budget.max_train)["train"]
    except BackboneError:  # a folder with a config.json but no tokenizer
        return usual, typical, None
    train = as_trained_on(task, train, packing=study.conditions.packing)
    size = study.budget.batch_size
    return int(np.max(train.sizes)), padded_length(train, size), learnt_positions(train, size)


def _usual_lengths(backbone: Backbone, task: Task) -> tuple[int, int | None]:
    """Return usual lengths, for `_lengths`, if there is no tokenizer or no example."""
    longest, typical = _USUAL_LENGTH, None
    if isinstance(task, GenerativeTask) and task.usual_lengths is not None:
        longest, typical = task.usual_lengths
    longest = min(longest, backbone.input_positions or longest)
    return longest, None if typical is None else min(typical, longest)
