"""From a job to a model ready to train: the same head and the same order for every method."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from whichpeft.backbones import Backbone
from whichpeft.backbones.gradient_checkpointing import enable_gradient_checkpointing
from whichpeft.backbones.quantisation import parameter_size
from whichpeft.engine.batches import as_trained_on, rows_of, training_batches
from whichpeft.engine.compute import Compute, own_memory, store_frozen_weights
from whichpeft.engine.dropout import use_fast_dropout
from whichpeft.engine.frozen_layers import find_frozen_prefix, keep_still
from whichpeft.engine.job import Job
from whichpeft.engine.process_group import ALONE, Group, shard, whole_tensors
from whichpeft.errors import TrialFailed
from whichpeft.methods import Adapter, MethodContext
from whichpeft.records import Measurement
from whichpeft.study import Conditions, Trial
from whichpeft.tasks import Array, Batch, DecodedTask, Examples, Packable, Task
from whichpeft.tasks.encoded_data import read_data

# Streams of random numbers within one seed. Each is started anew, so that what one consumes
# (how many weights an adapter draws) does not change the next (which activations drop out).
HEAD, ADAPTER, TRAINING = range(3)
_AGREES = {"float32": 1e-4, "bfloat16": 1e-2}  # how far losses may be apart: other rounding, no more


@dataclass(frozen=True, slots=True)
class PreparedTrial:
    """A model on its device with what belongs to it.

    micro_batch_size: examples that go through the model at once. group: the processes that share it.
    frozen_prefix: its lowest layers, where nothing trains or is added in them or below them.
    cached_layers: how many of these are read from what is kept.
    """

    task: Task
    examples: Mapping[str, Examples]
    adapter: Adapter
    compute: Compute
    counts: tuple[Measurement, ...]
    micro_batch_size: int = 1
    group: Group = ALONE
    frozen_prefix: tuple[torch.nn.Module, ...] = ()
    cached_layers: int = 0
    backbone: Backbone | None = None
    conditions: Conditions = field(default_factory=Conditions)
    """How the trial computes."""

    @property
    def model(self) -> torch.nn.Module:
        return self.adapter.model

    def trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def parts(self, batch: Array) -> Iterator[tuple[Batch, float]]:
        """Give what goes through the model one after the other of a batch of training examples.

        Each part is padded to its own longest and has its share of the batch's loss.
        """
        for part, share in self.cut(batch):
            yield self.examples["train"].batch(part), share

    def cut(self, batch: Array) -> Iterator[tuple[Array, float]]:
        """Cut a batch's indices into parts, each with its share of the batch's loss.

        Of a group each process gets its own, in as many parts as the others; one that has none of the
        examples left takes part with one that counts for nothing.
        """
        own = self.group.own(batch)
        most = math.ceil(len(batch) / self.group.size)
        weights = getattr(self.examples["train"], "weights", None)
        for i in range(0, most, self.micro_batch_size):
            part = own[i : i + self.micro_batch_size]
            counted = len(part) / len(batch)
            if weights is not None:
                counted = float(weights[part].sum() / weights[batch].sum())
            yield part if len(part) else batch[:1], counted * self.group.size


def start_stream(seed: int, stream: int, rank: int = 0) -> None:
    """Seed every global generator for one stream of a trial's randomness, in a process of a group."""
    entropy = [seed, stream, rank] if rank else [seed, stream]
    state = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def prepare(job: Job, compute: Compute, group: Group = ALONE) -> PreparedTrial:
    """Load the data and the backbone, draw the head, apply the method, and share it within a group."""
    trial = job.trial
    task, examples = read_data(job.data)
    if group.size > 1 and isinstance(task, DecodedTask):
        # Processes that write different numbers of tokens would wait for each other for ever.
        raise TrialFailed(f"what {task.name} asks of a model is read in one process", phase="set-up")
    examples = job.method.examples(examples)
    plain = examples["train"]
    if trial.conditions.packing and not isinstance(task, Packable):
        raise TrialFailed(f"examples of task {task.name} cannot share rows", phase="set-up")
    examples = {**examples, "train": as_trained_on(task, plain, packing=trial.conditions.packing)}
    start_stream(trial.seed, HEAD)
    if job.backbone.quantise is not None:
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of every cast
    if compute.device.type == "cuda":
        torch.cuda.set_device(compute.device)  # where a quantised backbone is loaded to
    model = task.build(job.backbone)
    head = frozenset(task.head_parameters(model))
    sizes = {name: parameter_size(parameter) for name, parameter in model.named_parameters()}
    if job.backbone.quantise is not None and not getattr(model, "is_quantized", False):
        raise TrialFailed(f"task {task.name} builds a model that is not quantised", phase="set-up")
    start_stream(trial.seed, ADAPTER)
    adapter = job.method.apply(
        model,
        MethodContext(
            task_type=task.task_type,
            head=head,
            steps=trial.budget.steps(len(examples["train"])),
            same_targets=trial.conditions.same_targets,
        ),
    )
    counts = tuple(
        Measurement(name=name, value=value, unit="count", phase="set-up", source="model")
        for name, value in count_parameters(adapter, sizes, head).items()
    )
    store_frozen_weights(adapter.model, compute.precision)
    if (
        trial.conditions.gradient_checkpointing
        and adapter.trains
        and not enable_gradient_checkpointing(adapter.model)
    ):
        raise TrialFailed("the model has no gradient checkpointing", phase="set-up")
    if compute.device.type == "cpu":
        own_memory(adapter.model)
        use_fast_dropout(adapter.model)
    frozen_prefix = find_frozen_prefix(adapter, sizes, head)
    keep_still(adapter.model, frozen_prefix)
    if group.size > 1 and adapter.trains:
        shard(adapter.model, group, compute.device)
    else:
        # Not the model's own: transformers' refuses for quantised weights, which are there already.
        torch.nn.Module.to(adapter.model, compute.device)
    prepared = PreparedTrial(
        task,
        examples,
        adapter,
        compute,
        counts,
        micro_batch_size=job.micro_batch_size,
        group=group,
        frozen_prefix=frozen_prefix,
        backbone=job.backbone,
        conditions=trial.conditions,
    )
    if trial.conditions.packing and adapter.trains:
        _check_apart(prepared, plain, trial)
    return prepared


def _check_apart(prepared: PreparedTrial, plain: Examples, trial: Trial) -> None:
    """Raise TrialFailed where examples that share rows have another loss than each in its own.

    Looked at is the first part of a batch, of the first epoch, in which any share one.
    """
    train = prepared.examples["train"]
    rows = rows_of(train)
    batches = training_batches(train.sizes, trial.budget.batch_size, seed=trial.seed, epoch=0)
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
            f"packed examples are not kept apart: a loss of {shared:.6f} and not {apart:.6f}; leave out "
            "packing",
            phase="set-up",
        )


def whole_adapter(prepared: PreparedTrial, job: Job) -> Adapter | None:
    """Return the adapter as one process would hold it, to be saved; None where another process does.

    Of a group the first process makes the same anew, whole and on the CPU, and gives it what they hold
    together; each of them has to take part.
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


def saved_bytes(folder: Path) -> int:
    """Return how many bytes of weights and configuration `Adapter.save` wrote into a folder."""
    kept = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    return sum(path.stat().st_size for path in kept)


def count_parameters(adapter: Adapter, sizes: Mapping[str, int], head: frozenset[str]) -> dict[str, int]:
    """Count parameters: what trains, whose it is, and what full fine-tuning would train.

    sizes: of the model's parameters before the method was applied; head: those of the task's head.
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
