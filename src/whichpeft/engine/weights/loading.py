"""Loads a trial's backbone and applies the method: the same head and adapter on every device."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from whichpeft.backbones import Backbone
from whichpeft.backbones.quantisation import multiply_in, parameter_size
from whichpeft.backbones.weights_in_files import left_in_files
from whichpeft.engine.compute import Compute, product_type, stored_kind
from whichpeft.engine.job import Job
from whichpeft.engine.process_group import Group
from whichpeft.engine.random_streams import ADAPTER, HEAD, start_stream
from whichpeft.errors import TrialFailed
from whichpeft.methods import Adapter, MethodContext
from whichpeft.tasks import Task


@dataclass(frozen=True, slots=True)
class Adapted:
    """A task's model with a method applied to it."""

    plain: torch.nn.Module
    """The model that the task built."""
    adapter: Adapter
    """The adapted model."""
    sizes: Mapping[str, int]
    """Number of weights per parameter before the method was applied."""
    head: frozenset[str]
    """Names of the parameters of the task's head."""


def load_and_adapt(job: Job, task: Task, examples: int, compute: Compute, group: Group) -> Adapted:
    """Load the backbone, draw the head and apply the method, the same on every device.

    Beside an accelerator, the host holds no copy of the weights unless the method reads them.
    """
    if loads_directly(job.backbone, compute):
        with left_in_files() as weights:
            try:
                found = _adapt(job, task, examples, compute)
            except Exception:
                if not weights.needed:
                    raise
        # A sharded model is put together on the host, a layer at a time.
        device = compute.device if group.size == 1 else torch.device("cpu")
        if not weights.needed and weights.fill(
            found.adapter.model, device, stored_kind(found.adapter.model, compute.precision)
        ):
            return found
    return _adapt(job, task, examples, compute)


def loads_directly(backbone: Backbone, compute: Compute) -> bool:
    """Whether weights may go from their file to the device without a copy in float32 on the host."""
    return compute.device.type != "cpu" and backbone.quantise is None


def _adapt(job: Job, task: Task, examples: int, compute: Compute) -> Adapted:
    trial = job.trial
    start_stream(trial.seed, HEAD)
    model = _build(job.backbone, task, compute)
    head = frozenset(task.head_parameters(model))
    sizes = {name: parameter_size(parameter) for name, parameter in model.named_parameters()}
    start_stream(trial.seed, ADAPTER)
    adapter = job.method.apply(
        model,
        MethodContext(
            task_type=task.task_type,
            head=head,
            steps=trial.budget.steps(examples),
            same_targets=trial.conditions.same_targets,
        ),
    )
    return Adapted(model, adapter, sizes, head)


def _build(backbone: Backbone, task: Task, compute: Compute) -> torch.nn.Module:
    """Build the task's model. Raises TrialFailed if it is not quantised as requested."""
    if backbone.quantise is not None:
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns about every cast
    if compute.device.type == "cuda":
        torch.cuda.set_device(compute.device)  # the device that a quantised backbone is loaded to
        # Batches differ in length, and cuDNN's attention prepares each new shape for up to a second.
        torch.backends.cuda.enable_cudnn_sdp(False)
    model = task.build(backbone)
    if backbone.quantise is not None:
        if not getattr(model, "is_quantized", False):
            raise TrialFailed(f"task {task.name} builds a model that is not quantised", phase="set-up")
        multiply_in(model, product_type(compute))
    return model
