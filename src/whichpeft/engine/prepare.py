"""From a job to a model ready to train: the same head and the same order for every method."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from whichpeft.engine.compute import Compute, own_memory, store_frozen_weights
from whichpeft.engine.data import read_data
from whichpeft.engine.dropout import use_fast_dropout
from whichpeft.engine.job import Job
from whichpeft.methods import Adapter, Situation
from whichpeft.records import Measurement
from whichpeft.tasks import Examples, Task

# Streams of random numbers within one seed. Each is started anew, so that what one consumes
# (how many weights an adapter draws) does not change the next (which activations drop out).
HEAD, ADAPTER, TRAINING = range(3)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model on its device with what belongs to it."""

    task: Task
    examples: Mapping[str, Examples]
    adapter: Adapter
    compute: Compute
    counts: tuple[Measurement, ...]

    @property
    def model(self) -> torch.nn.Module:
        return self.adapter.model

    def trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]


def start_stream(seed: int, stream: int) -> None:
    """Seed every global generator for one stream of a trial's randomness."""
    state = int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


def prepare(job: Job, compute: Compute) -> Prepared:
    """Load the data and the backbone, draw the head, then apply the method."""
    trial = job.trial
    task, examples = read_data(job.data)
    start_stream(trial.seed, HEAD)
    model = task.build(job.backbone)
    head = frozenset(task.head_parameters(model))
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    start_stream(trial.seed, ADAPTER)
    adapter = job.method.apply(
        model,
        Situation(
            task_type=task.task_type,
            head=head,
            steps=trial.budget.steps(len(examples["train"])),
            same_targets=trial.same_targets,
        ),
    )
    counts = tuple(
        Measurement(name=name, value=value, unit="count", phase="set-up", source="model")
        for name, value in count_parameters(adapter, sizes, head).items()
    )
    store_frozen_weights(adapter.model, compute.precision)
    if compute.device.type == "cpu":
        own_memory(adapter.model)
        use_fast_dropout(adapter.model)
    adapter.model.to(compute.device)
    return Prepared(task, examples, adapter, compute, counts)


def saved_bytes(folder: Path) -> int:
    """Return how many bytes of weights and configuration `Adapter.save` wrote into a folder."""
    kept = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    return sum(path.stat().st_size for path in kept)


def count_parameters(adapter: Adapter, sizes: Mapping[str, int], head: frozenset[str]) -> dict[str, int]:
    """Count parameters: what trains, whose it is, and what full fine-tuning would train.

    sizes: of the model's parameters before the method was applied; head: those of the task's head.
    """
    parameters = list(adapter.model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    in_head = sum(sizes[name] for name in head) if trainable else 0
    return {
        "trainable_parameters": trainable,
        "adapter_parameters": trainable - in_head,
        "head_parameters": in_head,
        "total_parameters": sum(p.numel() for p in parameters),
        "full_parameters": sum(sizes.values()),
    }
