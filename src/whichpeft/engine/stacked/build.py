"""Builds one stack from several jobs: builds each trial's model as if alone, and keeps what differs.

Before a stack is used, a step of each trial is taken twice, alone and in the stack, without dropout. If
the two disagree, or if the method does not run under vmap at all, the trials run one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from whichpeft.engine.batches import training_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.job import Job
from whichpeft.engine.model_setup import PreparedTrial, prepare
from whichpeft.engine.stacked.attention import fold_attention
from whichpeft.engine.stacked.vmap import Layout, Own, Stack, batch_of, tensors_of
from whichpeft.errors import CannotStack
from whichpeft.planning.batch_norm import set_training
from whichpeft.tasks import Array, Batch, DecodedTask

# How far losses, and gradients relative to their norms, may differ: by the order of sums only.
_AGREES = {"float32": 1e-3, "bfloat16": 0.1}
_PROBED = 8  # examples in the step that is taken twice


@dataclass(frozen=True, slots=True)
class Stacked:
    """Several trials as one model."""

    prepared: PreparedTrial
    """The first trial, whose model the others share."""

    layout: Layout
    """Where each trained parameter is in the stack."""

    stack: Stack
    """What each trial has of its own."""


@dataclass(frozen=True, slots=True)
class _Alone:
    """A step that a trial took alone."""

    indices: Array
    """The examples."""

    loss: float
    """The loss on them."""

    gradient: torch.Tensor
    """The gradient, laid out like a row of the stack."""


def why_not(jobs: Sequence[Job], compute: Compute) -> str | None:
    """Return why the trials of some jobs cannot train as one model, or None if they can."""
    try:
        stack_up(jobs, compute)
    except CannotStack as error:
        return str(error)
    return None


def stack_up(jobs: Sequence[Job], compute: Compute) -> Stacked:
    """Build the stack of some trials of one method. Raises CannotStack, with the reason."""
    try:
        return _stack_up(jobs, compute)
    except (CannotStack, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # any error of vmap or of the method's own code
        text = " ".join(str(error).split())
        raise CannotStack(f"{type(error).__name__}: {text[:160]}") from error


def _stack_up(jobs: Sequence[Job], compute: Compute) -> Stacked:
    if compute.precision == "float16":
        raise CannotStack("in float16 each trial scales its own loss")
    if jobs[0].trial.conditions.deterministic:
        # Whether it is faster depends on the clock, and sums in another order have other bits.
        raise CannotStack("deterministic trials always train alone")
    first = prepare(jobs[0], compute)
    if isinstance(first.task, DecodedTask):
        raise CannotStack(f"task {first.task.name} reads the answers of one model at a time")
    if first.frozen_prefix:
        raise CannotStack("its frozen layers are computed once for all trials, which is faster")
    _check_steps(first)
    changing = _changed_by_training(first, jobs[0])
    if changing:  # the check has just changed them
        first = prepare(jobs[0], compute)
    shared = tensors_of(first.model)
    layout: Layout | None = None
    trained: list[torch.Tensor] = []
    others: list[dict[str, torch.Tensor]] = []
    alone: list[_Alone] = []
    for job in jobs:
        prepared = first if job is jobs[0] else prepare(job, compute)
        indices, loss = _step_alone(prepared, job)
        tensors = tensors_of(prepared.model)
        layout = layout or Layout(prepared.model)
        _check_alike(tensors, shared, layout)
        trained.append(layout.flat(tensors))
        gradient = layout.flat({name: tensors[name].grad for name in layout.shapes})
        alone.append(_Alone(indices, loss, gradient))
        others.append(
            {
                name: tensor
                for name, tensor in tensors.items()
                if name not in layout.shapes and not torch.equal(tensor, shared[name])
            }
        )
        prepared.model.zero_grad(set_to_none=True)
        del prepared, tensors  # so that memory holds at most two models
    assert layout is not None
    differing = changing.union(*others)
    rows = [
        Own(own, {name: other.get(name, shared[name]) for name in sorted(differing)})
        for own, other in zip(trained, others, strict=True)
    ]
    fold_attention(first.model)
    stack = Stack(first.model, layout, rows)
    _check_agrees(first, stack, alone)
    _check_modes(first, stack, alone)
    return Stacked(first, layout, stack)


def _check_steps(prepared: PreparedTrial) -> None:
    """Raise CannotStack if a step does more than apply the gradients of the task's loss."""
    adapter = prepared.adapter
    if not adapter.trains:
        raise CannotStack("nothing trains")
    # A plug-in's adapter may do anything after a step, unless it declares that it does not.
    if getattr(adapter, "needs_own_step", True):
        raise CannotStack("its own part of a step reads the gradients of one model")
    for name, parameter in prepared.model.named_parameters():
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
            raise CannotStack(f"it has a hook on the gradient of {name}, which belongs to one model")


def _changed_by_training(prepared: PreparedTrial, job: Job) -> set[str]:
    """Return the buffers that a forward pass in training changes, such as running means."""
    # Copies, because batch norm's kernels change its means without changing the tensor's version.
    before = {name: (buffer, buffer.clone()) for name, buffer in prepared.model.named_buffers()}
    set_training(prepared.model)
    with torch.no_grad(), prepared.compute.autocast():
        prepared.task.loss(prepared.model, _probe_batch(prepared, _indices(prepared, job)))
    now = dict(prepared.model.named_buffers())
    for name, (buffer, _) in before.items():
        if now.get(name) is not buffer:
            raise CannotStack(f"training replaces the tensor {name}")
    return {name for name, (buffer, old) in before.items() if not torch.equal(buffer, old)}


def _step_alone(prepared: PreparedTrial, job: Job) -> tuple[Array, float]:
    """Compute the gradients on a few of a trial's examples; return the examples and their loss."""
    indices = _indices(prepared, job)
    prepared.model.eval()
    with prepared.compute.autocast():
        loss = prepared.task.loss(prepared.model, _probe_batch(prepared, indices))
    loss.backward()
    return indices, float(loss.detach())


def _check_agrees(prepared: PreparedTrial, stack: Stack, alone: Sequence[_Alone]) -> None:
    """Raise CannotStack if a step of the stack differs from the steps of its trials alone."""
    prepared.model.eval()
    batch = batch_of(prepared.examples["train"], [one.indices for one in alone])
    with prepared.compute.autocast():
        losses = stack.losses(prepared.task, prepared.compute.place(batch))
    losses.sum().backward()
    gradients = stack.trained.grad
    if gradients is None:
        raise CannotStack("no gradient reaches the stacked weights")
    tolerance = _AGREES[prepared.compute.precision]
    for loss, gradient, one in zip(losses.tolist(), gradients, alone, strict=True):
        apart = float((gradient - one.gradient).norm())
        if abs(loss - one.loss) > tolerance * max(1.0, abs(one.loss)) or apart > tolerance * float(
            one.gradient.norm()
        ):
            raise CannotStack(
                f"a stacked step differs from a step alone: the loss is {loss:.6f} instead of "
                f"{one.loss:.6f}, and the gradients are {apart:.2g} apart"
            )
    stack.trained.grad = None


def _check_modes(prepared: PreparedTrial, stack: Stack, alone: Sequence[_Alone]) -> None:
    """Try what else a trial does: dropout, and evaluation on shared examples. Raises their errors."""
    kept = {name: tensor.clone() for name, tensor in stack.others.items()}
    examples = prepared.examples["train"]
    with torch.no_grad(), prepared.compute.autocast():
        set_training(prepared.model)
        batch = batch_of(examples, [one.indices for one in alone])
        stack.losses(prepared.task, prepared.compute.place(batch))
        prepared.model.eval()
        stack.outputs(prepared.task, _probe_batch(prepared, alone[0].indices))
    stack.others = kept


def _check_alike(
    tensors: Mapping[str, torch.Tensor], shared: Mapping[str, torch.Tensor], layout: Layout
) -> None:
    """Raise CannotStack if another seed gives a model of another shape."""
    if tensors.keys() != shared.keys():
        name = min(tensors.keys() ^ shared.keys())
        raise CannotStack(f"only some seeds' models have {name}")
    for name, tensor in tensors.items():
        if (tensor.shape, tensor.dtype) != (shared[name].shape, shared[name].dtype):
            raise CannotStack(f"{name} has another shape or type with another seed")
    kinds = {tensors[name].dtype for name in layout.shapes}
    if len(kinds) > 1:
        raise CannotStack(
            f"its trained weights are stored in several precisions: {', '.join(sorted(map(str, kinds)))}"
        )


def _indices(prepared: PreparedTrial, job: Job) -> Array:
    """Return a few examples of a trial's first full batch."""
    trial, train = job.trial, prepared.examples["train"]
    batches = training_batches(
        train.sizes, trial.budget.batch_size, seed=trial.seed, epoch=0, fewest=prepared.fewest_together
    )
    return max(batches, key=len)[:_PROBED]


def _probe_batch(prepared: PreparedTrial, indices: Array) -> Batch:
    return prepared.compute.place(prepared.examples["train"].batch(indices))
