"""What was read before the first trial: columns, classes, rows, the metric, lengths, and notes.

A run writes it to ``data.json`` in its folder, so that a report says what its scores are of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskReading:
    """What was read of one task's data."""

    name: str
    """Name of the task."""

    text_columns: tuple[str, ...] = ()
    """Columns of the input, by name or else by number; empty if the data do not come from a table."""

    label_column: str | None = None
    """Column of the label or of the completion; None if there is none."""

    problem: str
    """``classification``, ``regression`` or ``generation``."""

    classes: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of each class in all splits together; empty without classes."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of each split."""

    class_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of examples of each class by split; a class that a split lacks has 0 there."""

    leaked: Mapping[str, int] = field(default_factory=dict)
    """Number of examples of validation and of test whose input is also in train, by split."""

    unused_columns: tuple[str, ...] = ()
    """Columns that nothing reads."""

    metric: str
    """Name of the metric of the score."""

    positive_class: str | None = None
    """The class that the metric is of, if it is of one class."""

    notes: tuple[str, ...] = ()
    """What a user should know about how the data were read, one sentence without a full stop each."""


MANY_PIECES = 1.75
"""Tokens per word above which a text is probably in another language than the tokenizer was made for.

MiniLM's tokenizer, which was made for English, needs 1.15 for film reviews and 1.4 for the messages of
programs; for these in 13 other languages with spaces, 1.8 (Vietnamese) to 6.2 (Russian), German 2.7.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LengthReading:
    """How long the inputs of a task are for one backbone."""

    task: str
    """Name of the task."""

    backbone: str
    """Name of the backbone."""

    unit: str = "tokens"
    """What lengths count: ``tokens``, or ``residues`` of proteins."""

    median: int
    """Median length, before inputs are cut."""

    p95: int
    """Length that 95 % of the inputs do not exceed, before inputs are cut."""

    longest: int
    """The largest length, before inputs are cut."""

    limit: int | None = None
    """The most that is read of an input; None without a limit."""

    cut: int = 0
    """Number of inputs that are cut to the limit."""

    count: int
    """Number of inputs."""

    pieces_per_word: float | None = None
    """Tokens per word, without those that begin and end an input; None if words are not separated."""

    @property
    def looks_foreign(self) -> bool:
        """Whether the texts are probably in another language than the tokenizer was made for."""
        return self.pieces_per_word is not None and self.pieces_per_word > MANY_PIECES


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneReading:
    """What was read of one backbone."""

    name: str
    """Name of the backbone."""

    notes: tuple[str, ...] = ()
    """What a user should know about how it was read, one sentence without a full stop each."""

    new_layers: tuple[str, ...] = ()
    """Modules inside the backbone that its weights lack, so that every seed draws them: a pooler."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was read of a study's data and backbones."""

    tasks: tuple[TaskReading, ...] = ()
    """One per task."""

    lengths: tuple[LengthReading, ...] = ()
    """One per backbone and task whose inputs have a length."""

    backbones: tuple[BackboneReading, ...] = ()
    """One per backbone."""

    notes: tuple[str, ...] = ()
    """What a user should know about the machines and the measurements of all runs in the folder."""

    earlier_records: bool = False
    """Whether the folder had records before anything was kept of what they read."""

    def lengths_of(self, task: str) -> list[LengthReading]:
        """Return the lengths of a task's inputs, one per backbone."""
        return [length for length in self.lengths if length.task == task]

    def extended(self, newer: Reading) -> Reading:
        """Return this reading with what a newer one adds; of the same name, the newer part counts."""
        return Reading(
            tasks=_latest((*self.tasks, *newer.tasks), lambda task: task.name),
            lengths=_latest((*self.lengths, *newer.lengths), lambda one: (one.task, one.backbone)),
            backbones=_latest((*self.backbones, *newer.backbones), lambda backbone: backbone.name),
            notes=tuple(dict.fromkeys((*self.notes, *newer.notes))),
            earlier_records=self.earlier_records or newer.earlier_records,
        )


def _latest(parts: Iterable[Part], key: Callable[[Part], Hashable]) -> tuple[Part, ...]:
    return tuple({key(part): part for part in parts}.values())


READING: TypeAdapter[Reading] = TypeAdapter(Reading)
"""Reads and writes a `Reading` as JSON."""
