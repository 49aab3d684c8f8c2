"""What a task is to the rest of the house.

A task module turns examples into batches, puts a head on a backbone, gives a loss and outputs,
and scores outputs. Nothing outside a task module knows what an example is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from whichpeft.metrics.metric import Array, Metric

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

Batch = dict[str, Any]
SPLITS = ("train", "validation", "test")
HELD_OUT = "held-out"
"""A further split that a task may have: text of the kind that the backbone was pretrained on."""


class Examples(Protocol):
    """One split, ready to be batched. Every array has shape (n,).

    Where examples do not all count alike in the loss of a batch, ``weights`` says what each counts for.
    """

    @property
    def labels(self) -> Array:
        """Class numbers, or values in their own units."""
        ...

    @property
    def sizes(self) -> Array:
        """What an example costs relative to others: its length."""
        ...

    @property
    def tokens(self) -> Array | None:
        """Tokens without padding, or None where the task has no tokens."""
        ...

    @property
    def truncated(self) -> float:
        """The share of examples that are cut because the backbone cannot read them whole."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Array) -> Batch:
        """Return the examples at `indices` as tensors, padded to their own longest; on the CPU."""
        ...


class Task(Protocol):
    """Data with its splits, a head, a metric and a chance level. Picklable once loaded."""

    @property
    def name(self) -> str: ...

    @property
    def problem(self) -> str:
        """``classification``, ``regression`` or ``generation``."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of all examples and labels of the three splits, before any subset is taken."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The score's metric first; the others are recorded beside it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the data were read, a line each."""
        ...

    @property
    def chance(self) -> float | None:
        """Test score of the constant baseline (see `constant_baseline`), or None if it has none."""
        ...

    @property
    def task_type(self) -> str | None:
        """PEFT's name for the kind of task (``SEQ_CLS``), or None where PEFT has none."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Examples by split."""
        ...

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Turn the splits into what this backbone reads, train cut to one fixed subset."""
        ...

    def without_examples(self) -> Task:
        """Return the task without its raw examples, small enough to hand to every trial."""
        ...

    def build(self, backbone: Backbone) -> torch.nn.Module:
        """Load the pretrained weights and put a new head on them.

        The head is drawn from torch's global generator, which the caller seeds.
        """
        ...

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        """Make the model of `build` from the backbone's configuration alone, weights undefined.

        It lies on the device of the caller's context (``with torch.device("meta")``), where it
        takes no memory. Raises BackboneError where the architecture cannot take this task's head.
        """
        ...

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        """Return a batch of `size` examples of the shapes that the backbone reads, of no content.

        length: tokens an example; without meaning where the backbone's inputs have one shape.
        Made on the device of the caller's context.
        """
        ...

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        """Names of the parameters of the new head in a model from `build`."""
        ...

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean loss over a batch."""
        ...

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return one row of outputs per example, in the labels' own units."""
        ...

    def constant_baseline(self, count: int) -> Array | None:
        """Return `count` rows of the constant prediction: the majority class, or the mean.

        None where a model answers without a new head, so that one that was not trained is asked too.
        """
        ...


@runtime_checkable
class Packable(Protocol):
    """A task whose training examples can share the rows of a batch, each read as if it stood alone."""

    def refuses_packing(self, backbone: Backbone) -> str | None:
        """Say why this backbone would not keep examples in one row apart, or None."""
        ...

    def packed(self, examples: Any) -> Examples:
        """Return the training examples in batches of shared rows, with the same losses.

        Beside what all have, they have ``rows(indices)``: how many rows these take as a batch.
        """
        ...


@runtime_checkable
class DecodedTask(Protocol):
    """A task whose outputs have to be interpreted before they can be scored."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the sets that examples are from, by number; one where they are all from one."""
        ...

    def predictions(
        self, outputs: Array, examples: Any, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Return what metrics read of a whole split as ``outputs``, and what is kept beside it.

        ``groups``, where there are any, are numbers of the sets that examples are from; a score is then
        the mean over the sets.
        """
        ...
