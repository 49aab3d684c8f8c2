"""A training whose costs are wanted, and the models without weights on which they are found."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from whichpeft.backbones import Backbone
from whichpeft.costs.layout import count, determines
from whichpeft.costs.memory import Footprint, peak
from whichpeft.costs.step import FakeBench, Trace
from whichpeft.engine.compute import Compute
from whichpeft.methods import Method
from whichpeft.planning import (
    FEW_LAYERS,
    MetaModel,
    build_meta_model,
    layers_are_alike,
    treats_layers_alike,
)
from whichpeft.tasks import Batch, Task

_SHALLOW = 4  # up to this depth, tracing the whole model is as fast


@dataclass(frozen=True, kw_only=True, slots=True)
class CostQuery:
    """A training whose costs are wanted."""

    method: Method
    """The method."""

    backbone: Backbone
    """The pretrained model; only its configuration is needed."""

    task: Task
    """The task."""

    compute: Compute
    """Device and precision."""

    batch_size: int
    """How many examples go through the model at a time."""

    length: int
    """Length of each example."""

    learnt: int | None = None
    """Positions of an example, at its end, with a next token to learn; None for all.

    A model computes logits for these alone, and logits over a large vocabulary take much memory.
    """

    same_targets: bool = True
    """Whether all methods adapt the same modules."""

    in_parts: bool = False
    """Whether the examples are only one micro-batch of a batch."""

    gradient_checkpointing: bool = False
    """Whether activations are recomputed."""

    shards: int = 1
    """Number of processes that share the model; the memory is that of one of them."""

    @property
    def depth(self) -> int:
        """Number of layers; 0 if the configuration does not give a single number."""
        return self.backbone.depth or 0

    def at(self, depth: int) -> Backbone:
        return self.backbone if depth in (0, self.depth) else self.backbone.with_depth(depth)

    def bench(self, depth: int) -> FakeBench:
        """Prepare the model of a depth for steps under these conditions."""
        return self.prepare(self.meta_model(depth))

    def meta_model(self, depth: int) -> MetaModel:
        return build_meta_model(self.method, self.at(depth), self.task, same_targets=self.same_targets)

    def prepare(self, meta_model: MetaModel) -> FakeBench:
        bench = FakeBench(meta_model, self.method, self.task, self.compute)
        if self.gradient_checkpointing:
            bench.checkpoint()
        return bench

    def few_layers(self, whole: FakeBench) -> dict[int, FakeBench]:
        """Return two shallow models, by depth, if they determine the whole one, else nothing.

        They do not if layers differ, or if the method shares parameters between more than two layers or
        treats a higher layer in another way.
        """
        if (
            self.depth <= _SHALLOW
            or not treats_layers_alike(self.method, self.backbone)
            or not layers_are_alike(self.backbone, self.task)
        ):
            return {}
        found = {depth: self.bench(depth) for depth in FEW_LAYERS}
        low, high = ((depth, bench.layout) for depth, bench in found.items())
        return found if determines(low, high, (self.depth, whole.layout)) else {}

    def batch(self, depth: int, size: int) -> Batch:
        with torch.device("meta"):
            batch = self.task.dummy_batch(self.at(depth), size, self.length)
        if self.learnt is not None:
            batch["labels"] = batch["labels"][:, -self.learnt :]
        return batch

    def peak(self, trace: Trace) -> Footprint:
        return peak(trace, in_parts=self.in_parts, shards=self.shards)


def count_parameters_of(query: CostQuery) -> dict[str, int]:
    """Return only the numbers of parameters of the whole model, which takes no step."""
    return count(query.meta_model(query.depth))
