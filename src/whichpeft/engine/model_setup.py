"""Prepares a trial's model for training: the same head and the same order for every method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedConfig

from whichpeft.backbones import Backbone
from whichpeft.backbones.gradient_checkpointing import enable_gradient_checkpointing
from whichpeft.backbones.quantisation import parameter_size
from whichpeft.engine.batches import as_trained_on, rows_of, training_batches, with_enough
from whichpeft.engine.compute import Compute, own_memory, store_frozen_weights
from whichpeft.engine.dropout import use_fast_dropout
from whichpeft.engine.frozen.frozen_layers import find_frozen_prefix, keep_still
from whichpeft.engine.job import Job
from whichpeft.engine.process_group import ALONE, Group, shard, whole_tensors
from whichpeft.engine.weights.loading import load_and_adapt
from whichpeft.engine.weights.tied_head import keep_cast_heads
from whichpeft.errors import TrialFailed
from whichpeft.methods import Adapter
from whichpeft.planning.batch_norm import fewest_together, normalises_batches
from whichpeft.records import Measurement
from whichpeft.storage.atomic import write_folder
from whichpeft.study import Conditions, Trial
from whichpeft.tasks import Array, Batch, DecodedTask, Examples, Packable, Task
from whichpeft.tasks.encoded_data import read_data
from whichpeft.tasks.named_outputs import with_named_outputs

EVALUATION_BATCH = 64
_AGREES = {
    "float32": 1e-4,
    "bfloat16": 1e-2,
    "float16": 2e-3,
}  # how far losses may differ: by rounding only


@dataclass(frozen=True, slots=True)
class PreparedTrial:
    """A trial's model on its device, and everything that training it needs."""

    task: Task
    """The task, which defines loss, outputs and metrics."""

    examples: Mapping[str, Examples]
    """The encoded examples of each split."""

    adapter: Adapter
    """The adapted model."""

    compute: Compute
    """Device and precision."""

    counts: tuple[Measurement, ...]
    """The numbers of parameters, as they are recorded."""

    micro_batch_size: int = 1
    """How many examples go through the model at a time."""

    evaluated_at_once: int = EVALUATION_BATCH
    """How many examples go through the model at a time in evaluation."""

    fewest_together: int = 1
    """How many examples have to go through the model together in training."""

    group: Group = ALONE
    """The processes that share the model."""

    frozen_prefix: tuple[torch.nn.Module, ...] = ()
    """The lowest layers, if nothing trains or is added in them or below them."""

    cached_layers: int = 0
    """How many of the frozen layers are replaced by cached activations."""

    backbone: Backbone | None = None
    """The pretrained model."""

    conditions: Conditions = field(default_factory=Conditions)
    """How the trial computes; the defaults in a cost estimate, which has no trial."""

    @property
    def model(self) -> torch.nn.Module:
        return self.adapter.model

    def trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def parts(self, batch: Array) -> Iterator[tuple[Batch, float]]:
        """Yield the micro-batches of a batch of training examples, each with its share of the loss.

        Each micro-batch is padded to its own longest example.
        """
        for part, share in self.cut(batch):
            yield self.examples["train"].batch(part), share

    def cut(self, batch: Array) -> Iterator[tuple[Array, float]]:
        """Cut a batch's indices into micro-batches, each with its share of the batch's loss.

        In a group each process gets its own examples, in the same number of micro-batches. A process
        that has no examples left takes part with one whose share of the loss is 0.
        """
        own = self.group.own(batch)
        most = math.ceil(len(batch) / self.group.size)
        weights = getattr(self.examples["train"], "weights", None)
        size = max(self.micro_batch_size, self.fewest_together)
        parts = [own[i : i + size] for i in range(0, most, size)]
        for part in with_enough(parts, self.fewest_together) if self.group.size == 1 else parts:
            counted = len(part) / len(batch)
            if weights is not None:
                counted = float(weights[part].sum() / weights[batch].sum())
            yield part if len(part) else batch[:1], counted * self.group.size


def prepare(job: Job, compute: Compute, group: Group = ALONE) -> PreparedTrial:
    """Load the data and the backbone, draw the head, apply the method, and shard it over a group."""
    trial = job.trial
    task, examples = _read_examples(job, group)
    plain = examples["train"]
    examples = {**examples, "train": as_trained_on(task, plain, packing=trial.conditions.packing)}
    adapted = load_and_adapt(job, task, len(examples["train"]), compute, group)
    adapter, sizes, head = adapted.adapter, adapted.sizes, adapted.head
    counts = tuple(
        Measurement(name=name, value=value, unit="count", phase="set-up", source="model")
        for name, value in count_parameters(adapter, sizes, head).items()
    )
    _save_memory_and_time(adapter, trial.conditions, compute)
    frozen_prefix = find_frozen_prefix(adapter, sizes, head)
    keep_still(adapter.model, frozen_prefix)
    adds = {name for name, _ in adapter.model.named_parameters()} != set(sizes)
    keep_cast_heads(adapter.model, compute.precision)
    if group.size > 1 and adapter.trains:
        # What a method adds may be used outside of a linear layer, so that it stays in float32.
        gathered = torch.float32 if adds else getattr(torch, compute.precision)
        shard(adapter.model, group, compute.device, gathered)
    else:
        # Not model.to: transformers' own refuses quantised weights, which are on the device already.
        torch.nn.Module.to(adapter.model, compute.device)
    asked = job.micro_batch or trial.budget.micro_batch
    prepared = PreparedTrial(
        task,
        examples,
        adapter,
        compute,
        counts,
        micro_batch_size=job.micro_batch_size,
        evaluated_at_once=min(EVALUATION_BATCH, (asked or EVALUATION_BATCH) * group.size),
        fewest_together=fewest_together(task, job.backbone) if normalises_batches(adapted.plain) else 1,
        group=group,
        frozen_prefix=frozen_prefix,
        backbone=job.backbone,
        conditions=trial.conditions,
    )
    if prepared.conditions.packing and adapter.trains:
        _check_apart(prepared, plain, trial)
    return prepared


def _read_examples(job: Job, group: Group) -> tuple[Task, Mapping[str, Examples]]:
    """Load the task and the examples as the method changes them. Raises TrialFailed."""
    task, examples = read_data(job.data)
    if group.size > 1 and isinstance(task, DecodedTask):
        # Processes that generate different numbers of tokens would wait for each other for ever.
        raise TrialFailed(
            f"task {task.name} cannot be sharded: it reads a model's answers in one process",
            phase="set-up",
        )
    examples = job.method.examples(examples)
    if job.trial.conditions.packing and not isinstance(task, Packable):
        raise TrialFailed(f"task {task.name} does not support packing", phase="set-up")
    return task, examples


def _save_memory_and_time(adapter: Adapter, conditions: Conditions, compute: Compute) -> None:
    """Store frozen weights compactly, recompute activations if requested, and use fast CPU kernels."""
    store_frozen_weights(adapter.model, compute.precision)
    if (
        conditions.gradient_checkpointing
        and adapter.trains
        and not enable_gradient_checkpointing(adapter.model)
    ):
        raise TrialFailed("the model does not support gradient checkpointing", phase="set-up")
    if compute.device.type == "cpu":
        own_memory(adapter.model)
        use_fast_dropout(adapter.model)


def _check_apart(prepared: PreparedTrial, plain: Examples, trial: Trial) -> None:
    """Raise TrialFailed if packed examples have another loss than the same examples in separate rows.

    The check uses the first micro-batch of the first epoch in which examples share a row.
    """
    train = prepared.examples["train"]
    rows = rows_of(train)
    batches = training_batches(
        train.sizes, trial.budget.batch_size, seed=trial.seed, epoch=0, fewest=prepared.fewest_together
    )
    parts = (part for batch in batches for part, _ in prepared.cut(batch))
    part = next((part for part in parts if rows(part) < len(part)), None)
    if part is None:
        return
    prepared.model.eval()
    with torch.no_grad(), prepared.compute.autocast():
        shared, apart = (
            float(prepared.task.loss(prepared.model, prepared.compute.place(split.batch(part))))
            for split in (train, plain)
        )
    tolerance = _AGREES[prepared.compute.precision]
    if not math.isclose(shared, apart, rel_tol=tolerance, abs_tol=tolerance):
        raise TrialFailed(
            f"packed examples are not kept apart: their loss is {shared:.6f}, and {apart:.6f} in "
            "separate rows; leave out packing",
            phase="set-up",
        )


def whole_adapter(prepared: PreparedTrial, job: Job) -> Adapter | None:
    """Return the whole adapter, to be saved by the first process; None in the others.

    In a group the first process builds the same adapter again, whole and on the CPU, and copies the
    gathered weights into it. Every process of the group has to take part.
    """
    if prepared.group.size == 1 or not prepared.adapter.trains:
        return prepared.adapter if prepared.group.rank == 0 else None
    found = whole_tensors(prepared.model, keep=prepared.group.rank == 0)
    if prepared.group.rank > 0:
        return None
    alone = prepare(job, Compute(torch.device("cpu"), "float32"))
    targets = dict(alone.model.named_parameters()) | dict(alone.model.named_buffers())
    with torch.no_grad():
        for name, tensor in found.items():
            targets[name].copy_(tensor)
    return alone.adapter


def keep_adapter(adapter: Adapter, task: Task, folder: Path) -> None:
    """Write an adapter with its model's ``config.json``, which has the names of the classes.

    A method that trains nothing leaves an empty folder.
    """

    def write(place: Path) -> None:
        adapter.save(place)
        config = getattr(adapter.model, "config", None)
        if any(place.iterdir()) and isinstance(config, PreTrainedConfig):
            with_named_outputs(config, task).save_pretrained(place)

    write_folder(folder, write)


def saved_bytes(folder: Path) -> int:
    """Return the bytes of weights and configuration that `Adapter.save` has written to a folder."""
    kept = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    return sum(path.stat().st_size for path in kept)


def count_parameters(adapter: Adapter, sizes: Mapping[str, int], head: frozenset[str]) -> dict[str, int]:
    """Count parameters: those that train, in adapter and head, and those that full fine-tuning trains.

    Parameters
    ----------
    sizes
        Number of weights per parameter of the model, before the method was applied.
    head
        Names of the parameters of the task's head.
    """
    parameters = list(adapter.model.parameters())
    trainable = sum(parameter_size(p) for p in parameters if p.requires_grad)
    in_head = sum(sizes[name] for name in head) if trainable else 0
    return {
        "trainable_parameters": trainable,
        "adapter_parameters": trainable - in_head,
        "head_parameters": in_head,
        "total_parameters": sum(map(parameter_size, parameters)),
        "full_parameters": sum(sizes.values()),
    }
