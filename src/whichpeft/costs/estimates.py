"""Estimates: what every method of a study would cost, before anything is trained or downloaded."""

from __future__ import annotations

import json
import logging
import multiprocessing
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.quiet import quiet_loading
from whichpeft.costs import CostQuery, Costs, estimate_costs, largest_batch, measure_speed
from whichpeft.engine.batches import as_trained_on, padded_length
from whichpeft.engine.compute import DEVICES, Compute, choose_compute, find_devices
from whichpeft.engine.environment import usable_cores
from whichpeft.errors import BackboneError, StudyError, unknown
from whichpeft.methods import Method, resolve_methods
from whichpeft.planning import Cell, make_plan
from whichpeft.planning.fake import quiet_fakes
from whichpeft.study import Study
from whichpeft.tasks import GenerativeTask, Task, load_task_for_planning
from whichpeft.tasks.no_task import NoTask

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)
_USUAL_LENGTH = 128
_USUAL_WIDTH = 768


@dataclass(frozen=True, slots=True)
class Estimates:
    """One row a backbone, task and method, in the order asked; notes on how they came to be."""

    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def to_json(self) -> str:
        return json.dumps(list(self.rows), indent=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Terms:
    """What all methods of one backbone and task are estimated under.

    compute: what the step is laid out on: the CPU stands in for a device that is not here.
    device: the one asked for. examples: of training, or None where nobody says. typical_length: what
    batches are padded to on average, where the task's own examples tell.
    """

    compute: Compute
    device: str
    length: int
    typical_length: int | None
    examples: int | None
    memory: int | None
    speed: float | None


# What forked processes find in their memory; a task with its examples is large to send.
_inherited: list[tuple[Cell, _Terms]] = []


def make_estimates(
    study: Study, *, length: int | None, memory: int | None, speed: float | None, device: str
) -> Estimates:
    """Estimate every cell of a study. Raises RequestError where the request is wrong."""
    methods = resolve_methods(study.methods)
    compute, kind = _compute(device, study.conditions.precision)
    loaded = [load_task_for_planning(source) for source in study.tasks]
    rows: list[Mapping[str, Any]] = []
    notes: list[str] = []
    with quiet_loading(), quiet_fakes():
        for name in study.backbones:
            backbone = resolve_backbone(name, weights=False)
            tasks: list[Task] = [*loaded] or [NoTask(backbone)]
            for task in tasks:
                terms = _terms(study, backbone, task, compute, kind, length, memory, speed)
                notes.append("\n".join([*_untold(task), _note(study, backbone, task, terms)]))
                rows += _rows(_cells(study, backbone, task, methods), terms)
    return Estimates(tuple(rows), tuple(notes))


def _cells(
    study: Study, backbone: Backbone, task: Task, methods: Mapping[str, Method]
) -> tuple[Cell, ...]:
    with torch.device("meta"):
        task.build_on_meta(backbone)  # where this cannot be, no method is to blame
    return make_plan(study, [backbone], [task], methods).cells


def _compute(device: str, precision: str) -> tuple[Compute, str]:
    """Return what to lay a step out on, and the kind of device that the plan is for.

    Torch lays out no tensors on a device that it was not built for, so the CPU stands in for one
    that is not here; it is taken to multiply bfloat16, as GPUs have for years.
    """
    if device not in DEVICES:
        raise StudyError(unknown("device", device, DEVICES))
    try:
        found = find_devices(device)[0]
    except StudyError:
        usual = "float32" if device == "mps" else "bfloat16"
        return Compute(torch.device("cpu"), usual if precision == "auto" else precision), device
    able = choose_compute(found, "auto" if precision == "bfloat16" else precision)
    kind = able.device.type
    return Compute(torch.device(kind), able.precision if precision == "auto" else precision), kind


def _terms(
    study: Study,
    backbone: Backbone,
    task: Task,
    compute: Compute,
    device: str,
    length: int | None,
    memory: int | None,
    speed: float | None,
) -> _Terms:
    budget = study.budget
    examples = task.counts["train"] if not isinstance(task, NoTask) else budget.max_train
    if examples is not None and budget.max_train is not None:
        examples = min(examples, budget.max_train)
    limit = backbone.input_positions
    if length is not None and length < 1:
        raise StudyError(f"--length is {length}; it has to be 1 or more")
    if length is not None and limit is not None and length > limit:
        raise StudyError(f"--length is {length}; {backbone.name} reads {limit} at most")
    longest, typical = _lengths(study, backbone, task) if length is None else (length, None)
    if speed is None and examples is not None and device == compute.device.type:
        speed = measure_speed(
            compute,
            width=backbone.width or _USUAL_WIDTH,
            batch_size=budget.batch_size,
            length=typical or longest,
        )
    return _Terms(
        compute=compute,
        device=device,
        length=longest,
        typical_length=typical,
        examples=examples,
        memory=memory,
        speed=speed,
    )


def _lengths(study: Study, backbone: Backbone, task: Task) -> tuple[int, int | None]:
    """Return the length of the longest training example, and what batches are padded to on average."""
    if isinstance(task, NoTask):
        return task.usual_length, None
    usual, typical = _usual_lengths(backbone, task)
    if backbone.folder is None or (isinstance(task, GenerativeTask) and not task.splits):
        return usual, typical
    try:
        train = task.encode(backbone, max_train=study.budget.max_train)["train"]
    except BackboneError:  # a folder with a config.json and no tokenizer
        return usual, typical
    train = as_trained_on(task, train, packing=study.conditions.packing)
    return int(np.max(train.sizes)), padded_length(train, study.budget.batch_size)


def _usual_lengths(backbone: Backbone, task: Task) -> tuple[int, int | None]:
    """Return the lengths of `_lengths` where no tokenizer, or no example, is there to tell them."""
    longest, typical = _USUAL_LENGTH, None
    if isinstance(task, GenerativeTask) and task.usual_lengths is not None:
        longest, typical = task.usual_lengths
    longest = min(longest, backbone.input_positions or longest)
    return longest, None if typical is None else min(typical, longest)


def _rows(cells: Sequence[Cell], terms: _Terms) -> list[dict[str, Any]]:
    """Return the rows in order, worked out by as many processes as there are cores to use.

    They are forked, which costs no import, where that is safe: on Linux, without an accelerator.
    """
    workers = min(len(cells), usable_cores())
    if workers < 2 or not sys.platform.startswith("linux") or torch.cuda.is_initialized():
        return [_row(cell, terms) for cell in cells]
    _inherited[:] = [(cell, terms) for cell in cells]
    try:
        with multiprocessing.get_context("fork").Pool(workers, initializer=_begin) as pool:
            return pool.map(_inherited_row, range(len(cells)), chunksize=1)
    finally:
        _inherited.clear()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked decides
    torch.set_num_threads(1)  # a pool of threads does not outlive a fork


def _inherited_row(index: int) -> dict[str, Any]:
    return _row(*_inherited[index])


def _row(cell: Cell, terms: _Terms) -> dict[str, Any]:
    """Return one row; what is not known is None."""
    study, budget = cell.study, cell.study.budget
    # Of a model that several processes share, what one of them takes.
    share = -(-budget.batch_size // study.conditions.shards)
    micro_batch_size = min(budget.micro_batch_size, share)
    query = CostQuery(
        method=cell.method,
        backbone=cell.backbone,
        task=cell.task,
        compute=terms.compute,
        batch_size=micro_batch_size,
        length=terms.length,
        same_targets=study.conditions.same_targets,
        in_parts=micro_batch_size < share,
        gradient_checkpointing=study.conditions.gradient_checkpointing,
        shards=study.conditions.shards,
    )
    costs = _costs(query, terms) if cell.refusal is None else None
    counts = costs.counts if costs else {}
    plain = costs.memory if costs else None
    checkpointed = costs.checkpointed_memory if costs else None
    trainable, flops = counts.get("trainable_parameters"), costs.flops_per_sample if costs else None
    seconds = None
    if flops is not None and terms.examples is not None and terms.speed is not None:
        seconds = flops * terms.examples * budget.epochs / (terms.speed * study.conditions.shards)
    row: dict[str, Any] = {
        "backbone": cell.backbone.name,
        "task": None if isinstance(cell.task, NoTask) else cell.task.name,
        "method": cell.text,
        "method_id": cell.identity,
        "hyperparameters": cell.method.hyperparameters,
        "trainable_parameters": trainable,
        "adapter_parameters": counts.get("adapter_parameters"),
        "head_parameters": counts.get("head_parameters"),
        "base_parameters": counts.get("base_parameters"),
        "trainable_percent": _percent(trainable, counts.get("total_parameters")),
        "percent_of_full": _percent(trainable, counts.get("full_parameters")),
        "adapter_bytes": costs.adapter_bytes if costs else None,
        "training_memory_bytes": plain.total if plain else None,
        "flops_per_sample": flops,
        "refusal": cell.refusal,
        "train_seconds": seconds,
        "checkpointed_memory_bytes": checkpointed.total if checkpointed else None,
        "memory_parts": None if plain is None else {
            "weights": plain.weights,
            "gradients": plain.gradients,
            "optimizer": plain.optimizer,
            "activations": plain.activations,
        },
        "precision": terms.compute.precision,
        "device": terms.device,
        "batch_size": budget.batch_size,
        "length": terms.length,
        "micro_batch": budget.micro_batch,
        "gradient_checkpointing": study.conditions.gradient_checkpointing,
        "quantise": study.conditions.quantise,
        "shards": study.conditions.shards,
    }  # fmt: skip
    if terms.memory is not None:
        fits = None if plain is None else plain.total <= terms.memory
        largest = None if costs is None else largest_batch(query, costs, terms.memory)
        row |= {"memory_bytes": terms.memory, "fits": fits, "largest_batch": largest}
    return row


def _costs(query: CostQuery, terms: _Terms) -> Costs | None:
    """Estimate, or return None for a method that cannot be laid out without weights."""
    try:
        return estimate_costs(query, typical_length=terms.typical_length)
    except BackboneError:
        raise
    except Exception:  # a method that cannot work was refused before; its costs stay unknown
        _logger.debug("cannot estimate the costs of %s", query.method.name, exc_info=True)
        return None


def _percent(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _untold(task: Task) -> tuple[str, ...]:
    """Return what a task says of data that could not be had."""
    absent = isinstance(task, GenerativeTask) and not task.splits
    return task.notes if absent else ()


def _note(study: Study, backbone: Backbone, task: Task, terms: _Terms) -> str:
    """Say in one line under which terms the rows of a backbone and task stand."""
    about = "no task, so no head" if isinstance(task, NoTask) else f"task {task.name}"
    line = (
        f"{backbone.name}, {about}: batches of {study.budget.batch_size}, length {terms.length}, "
        f"{terms.compute.precision} on {terms.device}"
    )
    line += "".join(f", {option}" for option in study.memory_options)
    if study.conditions.shards > 1:
        line += "; memory of one of them"
    if terms.typical_length is not None:
        line += f"; FLOPs at the mean padded length, {terms.typical_length}"
    if terms.speed is not None and terms.examples is not None:
        line += (
            f"; time: {terms.examples} examples, {study.budget.epochs} epochs, "
            f"{terms.speed / 1e12:.3g} TFLOP/s"
        )
    return line
