"""The interface between a task and the rest of the package.

A task turns examples into batches, puts a head on a backbone, computes a loss and outputs, and names
the metrics that score the outputs. No module outside `whichpeft.tasks` knows what an example is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from whichpeft.metrics.metric import Array, Metric
from whichpeft.tasks.tables.table import ColumnUse

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit

Batch = dict[str, Any]
SPLITS = ("train", "validation", "test")
HELD_OUT = "held-out"
"""An optional further split: text of the kind that the backbone was pretrained on."""


class Examples(Protocol):
    """One split, ready to be batched. Every array has shape (n,).

    If examples do not count equally in the loss of a batch, the split has an array ``weights`` with the
    weight of each.
    """

    @property
    def labels(self) -> Array:
        """Class numbers, or values in their own units."""
        ...

    @property
    def sizes(self) -> Array:
        """Cost of each example relative to the others: its length."""
        ...

    @property
    def tokens(self) -> Array | None:
        """Tokens of each example without padding, or None if the task has no tokens."""
        ...

    @property
    def truncated(self) -> float:
        """Share of examples that are cut because the backbone cannot read them whole."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Array) -> Batch:
        """Return the examples at `indices` as tensors on the CPU, padded to the longest of them."""
        ...


class Task(Protocol):
    """Data with its splits, a head, metrics and a chance level. Picklable once loaded."""

    @property
    def name(self) -> str:
        """Name in reports and records."""
        ...

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
        """Metrics to record; the first one is the score."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how the data were read, one line per fact."""
        ...

    @property
    def chance(self) -> float | None:
        """Test score of the constant baseline (see `constant_baseline`), or None if it has none."""
        ...

    @property
    def task_type(self) -> str | None:
        """PEFT's name for this type of task (``SEQ_CLS``), or None if PEFT has no name for it."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of examples per split."""
        ...

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Turn the splits into what a backbone reads.

        Parameters
        ----------
        backbone
            The backbone whose tokenizer or image processor is used.
        max_train
            Number of training examples to keep, always the same subset; None keeps all.

        Returns
        -------
        Mapping[str, Examples]
            The encoded splits by name.

        Raises
        ------
        DataError
            If a class would be left without a training example, or an example cannot be read.
        BackboneError
            If the backbone cannot read such examples.
        """
        ...

    def without_examples(self) -> Task:
        """Return the task without its raw examples, small enough to send to every trial."""
        ...

    def build(self, backbone: Backbone) -> torch.nn.Module:
        """Load the pretrained weights and put a new head on them.

        The head is drawn from torch's global generator, which the caller seeds.
        """
        ...

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        """Build the model of `build` from the backbone's configuration alone, with undefined weights.

        The model is created on the device of the caller's context (``with torch.device("meta")``), on
        which it takes no memory.

        Raises
        ------
        BackboneError
            If the architecture cannot take this task's head.
        """
        ...

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        """Return a batch that has the shapes the backbone reads, but no content.

        The tensors are created on the device of the caller's context.

        Parameters
        ----------
        backbone
            The backbone that reads the batch.
        size
            Number of examples.
        length
            Tokens per example; ignored if the backbone's inputs have one shape.
        """
        ...

    def head_parameters(self, model: torch.nn.Module) -> set[str]:
        """Return the names of the new head's parameters in a model from `build`."""
        ...

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return the mean loss over a batch."""
        ...

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Return one row of outputs per example, in the units of the labels."""
        ...

    def constant_baseline(self, count: int) -> Array | None:
        """Return `count` rows of the constant prediction: the majority class, or the mean.

        Return None if models answer without a new head: then an untrained model is evaluated instead.
        """
        ...


@runtime_checkable
class DescribesData(Protocol):
    """A task that describes what was read of its data, for people who check it."""

    @property
    def columns(self) -> ColumnUse | None:
        """What the columns of the data are used for; None if they do not come from a table."""
        ...

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Number of examples of each class in all splits together; empty without classes."""
        ...

    @property
    def class_rows(self) -> Mapping[str, Mapping[str, int]]:
        """Number of examples of each class by split; empty without classes."""
        ...

    @property
    def leaked(self) -> Mapping[str, int]:
        """Number of examples of validation and of test whose input is also in train, by split."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """What people read of one example."""

    inputs: tuple[str, ...]
    """One text, two for a pair, or the name of an image's file."""

    answer: str = ""
    """The right answer, if it is a text; empty for a class or a value."""

    choices: tuple[str, ...] = ()
    """The answers to choose from, by number, if there are any."""


@runtime_checkable
class ShowsExamples(Protocol):
    """A task that can show its examples to people."""

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return some examples of a split, uncut."""
        ...


@runtime_checkable
class ComparesWeights(Protocol):
    """A task that can tell whether a backbone's weights fit, without loading them."""

    def compare_weights(self, backbone: Backbone) -> Fit:
        """Return which layers of the backbone would be newly drawn, and what else a user should know.

        Raises BackboneError if the weights lack anything else.
        """
        ...


@runtime_checkable
class Packable(Protocol):
    """A task whose training examples can share the rows of a batch, each read as if it were alone."""

    def refuses_packing(self, backbone: Backbone) -> str | None:
        """Return why this backbone would mix examples that share a row, or None if it would not."""
        ...

    def packed(self, examples: Any) -> Examples:
        """Return the training examples in batches of shared rows, with the same losses.

        In addition to the attributes of `Examples`, the result has ``rows(indices)``: the number of
        rows that these examples take as a batch.
        """
        ...


@runtime_checkable
class DecodedTask(Protocol):
    """A task whose outputs have to be decoded before they can be scored."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the sets that examples come from, by number; one name if there is one set."""
        ...

    def predictions(
        self, outputs: Array, examples: Any, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Decode the outputs of a whole split.

        Parameters
        ----------
        outputs
            One row per example, from `Task.outputs`.
        examples
            The encoded split.
        backbone
            The backbone whose tokenizer decodes the outputs, if they are tokens.

        Returns
        -------
        Mapping[str, Array]
            ``outputs`` for the metrics, and other arrays to keep with the record. ``groups``, if
            present, holds the number of the set that each example comes from; the score is then the
            mean over the sets.
        """
        ...
