"""Estimates what every method of a study would cost, before anything is trained or downloaded."""

from __future__ import annotations

import json
import logging
import multiprocessing
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.costs import CostQuery, Costs, estimate_costs, largest_batch
from whichpeft.costs.assumptions import Assumptions, find_planning_compute, make_assumptions
from whichpeft.costs.memory import Footprint, usable_bytes
from whichpeft.costs.trial_time import time_by_flops
from whichpeft.engine.environment import usable_cores
from whichpeft.errors import BackboneError
from whichpeft.methods import Method, resolve_methods
from whichpeft.planning import Cell, StudyPlan, make_plan, why_untold
from whichpeft.planning.fake_tensors import quiet_fakes
from whichpeft.study import Study
from whichpeft.tasks import GenerativeTask, Task, load_task_for_planning
from whichpeft.tasks.no_task import NoTask
from whichpeft.units import counted, show_bytes

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

# Columns that follow from the numbers of parameters, and from a step that is traced.
_COUNTED = ("trainable_parameters", "adapter_parameters", "trainable_percent", "percent_of_full")
_TRIAL_SECONDS = ("trial_seconds", "trial_seconds_low", "trial_seconds_high")
_TRACED = ("training_memory_bytes", "flops_per_sample")


@dataclass(frozen=True, slots=True)
class Estimates:
    """The estimated costs of every cell of a study."""

    rows: tuple[Mapping[str, Any], ...]
    """One row per backbone, task and method, in the order of the study."""

    notes: tuple[str, ...]
    """What the rows of each backbone and task assume."""

    def table(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def to_json(self) -> str:
        return json.dumps(list(self.rows), indent=1)


# Read by forked processes from inherited memory, since a task with its examples is large to send.
_inherited: list[tuple[Cell, Assumptions]] = []


def make_estimates(
    study: Study, *, length: int | None, memory: int | None, speed: float | None, device: str
) -> Estimates:
    """Estimate every cell of a study. Raises RequestError if the request is wrong."""
    methods = resolve_methods(study.methods)
    compute, here = find_planning_compute(device, study.conditions.precision)
    loaded = [load_task_for_planning(source) for source in study.tasks]
    rows: list[Mapping[str, Any]] = []
    notes: list[str] = []
    with quiet_loading(), quiet_fakes():
        for name in study.backbones:
            backbone = resolve_backbone(name, weights=False)
            tasks: list[Task] = [*loaded] or [NoTask(backbone)]
            for task in tasks:
                assumed = make_assumptions(
                    study, backbone, task, compute, length, memory, speed, here=here
                )
                plan = _plan(study, backbone, task, methods)
                about = [*plan.notes, *_missing_data_notes(task)]
                notes.append("\n".join([*about, _note(study, backbone, task, assumed)]))
                rows += _rows(plan.cells, assumed)
    return Estimates(tuple(rows), tuple(notes))


def _plan(study: Study, backbone: Backbone, task: Task, methods: Mapping[str, Method]) -> StudyPlan:
    with torch.device("meta"):
        task.build_on_meta(backbone)  # if this fails, no method is to blame
    return make_plan(study, [backbone], [task], methods)


def _rows(cells: Sequence[Cell], assumed: Assumptions) -> list[dict[str, Any]]:
    """Return the rows in order, computed by as many processes as there are usable cores.

    Processes are forked, which saves their imports, if that is safe: on Linux, without a GPU. Where
    there is one, the first backward pass starts a thread for it, and no forked process can take another.
    """
    workers = min(len(cells), usable_cores())
    if workers < 2 or not sys.platform.startswith("linux") or torch.cuda.is_available():
        return [_row(cell, assumed) for cell in cells]
    _inherited[:] = [(cell, assumed) for cell in cells]
    try:
        with multiprocessing.get_context("fork").Pool(workers, initializer=_begin) as pool:
            return pool.map(_inherited_row, range(len(cells)), chunksize=1)
    finally:
        _inherited.clear()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles ctrl-C
    torch.set_num_threads(1)  # a thread pool does not survive a fork


def _inherited_row(index: int) -> dict[str, Any]:
    return _row(*_inherited[index])


def _row(cell: Cell, assumed: Assumptions) -> dict[str, Any]:
    """Return one row; unknown values are None."""
    study, budget = cell.study, cell.study.budget
    query = cost_query(cell, assumed)
    costs, untold = _costs(query, assumed) if cell.refusal is None else (None, {})
    plain = costs.memory if costs else None
    checkpointed = costs.checkpointed_memory if costs else None
    row: dict[str, Any] = {
        "backbone": cell.backbone.name,
        "task": None if isinstance(cell.task, NoTask) else cell.task.name,
        "method": cell.text,
        "method_id": cell.identity,
        "hyperparameters": cell.method.hyperparameters,
        **_parameters(costs.counts if costs else {}),
        "adapter_bytes": costs.adapter_bytes if costs else None,
        "training_memory_bytes": plain.total if plain else None,
        "flops_per_sample": costs.flops_per_sample if costs else None,
        "refusal": cell.refusal,
        "untold": untold,
        "notes": list(cell.notes),
        **_times(cell, costs, assumed),
        "checkpointed_memory_bytes": checkpointed.total if checkpointed else None,
        "memory_parts": _memory_parts(plain) if plain else None,
        "precision": assumed.compute.precision,
        "device": assumed.compute.device.type,
        "batch_size": budget.batch_size,
        "length": assumed.length,
        "learnt_positions": assumed.learnt,
        "micro_batch": budget.micro_batch,
        "gradient_checkpointing": study.conditions.gradient_checkpointing,
        "quantise": study.conditions.quantise,
        "shards": study.conditions.shards,
    }
    if assumed.memory is not None:
        usable = usable_bytes(assumed.memory, assumed.compute.device.type)
        fits = None if plain is None else plain.total <= usable
        largest = None if costs is None else largest_batch(query, costs, usable)
        row |= {"memory_bytes": assumed.memory, "fits": fits, "largest_batch": largest}
    return row


def cost_query(cell: Cell, assumed: Assumptions) -> CostQuery:
    """Return what to estimate. If several processes share the model, the costs are those of one."""
    budget, conditions = cell.study.budget, cell.study.conditions
    share = -(-budget.batch_size // conditions.shards)
    micro_batch_size = min(budget.micro_batch_size, share)
    return CostQuery(
        method=cell.method,
        backbone=cell.backbone,
        task=cell.task,
        compute=assumed.compute,
        batch_size=micro_batch_size,
        length=assumed.length,
        learnt=assumed.learnt,
        same_targets=conditions.same_targets,
        in_parts=micro_batch_size < share,
        gradient_checkpointing=conditions.gradient_checkpointing,
        shards=conditions.shards,
    )


def _typical(query: CostQuery, assumed: Assumptions) -> CostQuery | None:
    """Return the query for examples of the mean size; None if it is unknown."""
    if assumed.typical_length is None:
        return None
    return replace(query, length=assumed.typical_length, learnt=assumed.typical_learnt)


def _parameters(counts: Mapping[str, int]) -> dict[str, float | None]:
    """Return the columns of a row that follow from the numbers of parameters."""
    trainable = counts.get("trainable_parameters")
    return {
        "trainable_parameters": trainable,
        "adapter_parameters": counts.get("adapter_parameters"),
        "head_parameters": counts.get("head_parameters"),
        "base_parameters": counts.get("base_parameters"),
        "trainable_percent": _percent(trainable, counts.get("total_parameters")),
        "percent_of_full": _percent(trainable, counts.get("full_parameters")),
    }


def _memory_parts(footprint: Footprint) -> dict[str, int]:
    return {
        "weights": footprint.weights,
        "gradients": footprint.gradients,
        "optimizer": footprint.optimizer,
        "activations": footprint.activations,
    }


def _times(cell: Cell, costs: Costs | None, assumed: Assumptions) -> dict[str, float | None]:
    """Return the time of all training steps at the assumed speed, and that of a trial with its range."""
    budget = cell.study.budget
    flops = costs.flops_per_sample if costs else None
    if flops is None or assumed.examples is None or assumed.speed is None:
        return dict.fromkeys(("train_seconds", *_TRIAL_SECONDS))
    speed = assumed.speed * cell.study.conditions.shards
    seconds = flops * assumed.examples * budget.epochs / speed
    trial = time_by_flops(seconds, assumed.examples, budget, cell.task.counts)
    found = zip(_TRIAL_SECONDS, (trial.likely, trial.low, trial.high), strict=True)
    return {"train_seconds": seconds, **dict(found)}


def _costs(query: CostQuery, assumed: Assumptions) -> tuple[Costs | None, dict[str, str]]:
    """Return the costs, and why those that cannot be told without a run are unknown, by column."""
    try:
        costs = estimate_costs(query, typical=_typical(query, assumed))
    except BackboneError:
        raise
    except Exception as error:  # a method that cannot work was refused before
        _logger.debug("cannot estimate the costs of %s", query.method.name, exc_info=True)
        return None, dict.fromkeys((*_COUNTED, "adapter_bytes", *_TRACED), why_untold(error))
    untold = {}
    if "adapter_bytes" in costs.untold:
        untold["adapter_bytes"] = costs.untold["adapter_bytes"]
    if "step" in costs.untold:
        untold |= dict.fromkeys(_TRACED, costs.untold["step"])
    return costs, untold


def _percent(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _missing_data_notes(task: Task) -> tuple[str, ...]:
    """Return the notes of a task whose data is not available."""
    absent = isinstance(task, GenerativeTask) and not task.splits
    return task.notes if absent else ()


def _note(study: Study, backbone: Backbone, task: Task, assumed: Assumptions) -> str:
    """Describe in one line what the rows of a backbone and task assume."""
    about = "no task, so no head" if isinstance(task, NoTask) else f"task {task.name}"
    length = str(assumed.length)
    if assumed.learnt is not None:
        length += f" ({assumed.learnt} of them learnt)"
    line = (
        f"{backbone.name}, {about}: batches of {study.budget.batch_size}, length {length}, "
        f"{assumed.compute.precision} on {assumed.compute.device.type}"
    )
    line += "".join(f", {option}" for option in study.memory_options)
    if study.conditions.shards > 1:
        line += "; memory of one of them"
    if assumed.memory is not None and assumed.compute.device.type == "cuda":
        usable = show_bytes(usable_bytes(assumed.memory, "cuda"))
        line += f"; fits: in {usable}, since a GPU's context and gaps between tensors take the rest"
    if assumed.typical_length is not None:
        line += f"; FLOPs at the mean padded length, {assumed.typical_length}"
    if assumed.speed is not None and assumed.examples is not None:
        line += (
            f"; time of a trial: {counted(assumed.examples, 'example')}, "
            f"{counted(study.budget.epochs, 'epoch')}, {assumed.speed / 1e12:.3g} TFLOP/s"
        )
    return line
