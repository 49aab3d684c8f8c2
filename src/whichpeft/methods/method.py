"""Method: how a backbone is adapted. A frozen dataclass whose fields are its identity.

Declaring a method needs no torch; applying it does.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from whichpeft.methods.adapter import Adapter
from whichpeft.methods.info import MethodInfo
from whichpeft.study.names import format_part

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Examples, Task

_WIDTH = 384  # the width of minilm, on which the usual learning rates were found


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodContext:
    """What a method is given, in addition to the model, when it is applied."""

    task_type: str | None
    """PEFT's name for the kind of task, such as ``SEQ_CLS``, or None."""

    head: frozenset[str]
    """Names of the parameters of the task's new head."""

    steps: int
    """Optimiser steps of the whole trial."""

    same_targets: bool = True
    """Whether to target the modules that all methods share instead of the method's customary ones."""

    weightless: bool = False
    """Whether the model has shapes but no weights, so that the method must not look at weights."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """A range that tuning searches on a logarithmic scale, both ends included."""

    low: float
    """The lower end."""

    high: float
    """The upper end."""


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """How a backbone is adapted.

    A subclass sets `info` and adds its hyperparameters as fields with defaults. All fields together
    are its identity.
    """

    info: ClassVar[MethodInfo]
    """The facts that hold for every instance of the method."""

    learning_rate: float | None = None
    """The peak learning rate; if None, `resolved_for` sets the usual one, scaled for the backbone."""

    weight_decay: float = 0.0
    """The weight decay."""

    warmup_ratio: float = 0.06
    """The share of all steps over which the learning rate rises to its peak."""

    @property
    def name(self) -> str:
        """The name in studies and on the command line."""
        return self.info.name

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every value that decides the result, as JSON values, derived ones included."""
        return {field.name: _as_json(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @property
    def identity(self) -> str:
        """The canonical spelling, equal for two spellings of one method.

        It leaves out every option that can be derived.
        """
        shortest = self
        for field in dataclasses.fields(self):
            # A given value may equal the derived one: lora:r=16,lora_alpha=32 is lora:r=16.
            default: dict[str, Any] = {field.name: field.default}
            without = dataclasses.replace(shortest, **default)
            if without.hyperparameters == self.hyperparameters:
                shortest = without
        options = ((f.name, getattr(shortest, f.name), f.default) for f in dataclasses.fields(shortest))
        return format_part(
            self.name, tuple((key, value) for key, value, default in options if value != default)
        )

    def resolved_for(self, backbone: Backbone) -> Self:
        """Return the method with every value that depends on the backbone filled in."""
        if self.learning_rate is not None:
            return self
        scales = self.info.scales_with_width
        factor = _WIDTH / backbone.width if scales and backbone.width else 1.0
        return dataclasses.replace(self, learning_rate=self.info.learning_rate * factor)

    def with_options(self, values: Mapping[str, Any]) -> Self:
        """Return the method with some options changed, named as in `search_space`."""
        return dataclasses.replace(self, **values)

    @property
    def further_options(self) -> frozenset[str]:
        """Options that can be given but are left out of short lists."""
        return frozenset()

    @property
    def search_space(self) -> dict[str, LogRange | tuple[object, ...]]:
        """What tuning may try: learning rates around the current one, and `info.choices`.

        Empty if nothing trains.
        """
        rate = self.learning_rate or self.info.learning_rate
        return {"learning_rate": LogRange(rate / 10, rate * 5), **self.info.choices} if rate else {}

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        """Return why the method cannot work here, before any work starts.

        Parameters
        ----------
        backbone
            The backbone; its weights are not loaded yet.
        task
            The task.
        budget
            The budget of every trial.

        Returns
        -------
        str or None
            The reason in plain words, or None if the method can work.
        """
        return None

    def refuses_options(self, study: Study) -> str | None:
        """Return why the method cannot work with the study's memory options, or None if it can.

        Those are gradient checkpointing, quantised weights, shards and packing.
        """
        return None

    def notes(self, backbone: Backbone, task: Task) -> tuple[str, ...]:
        """Return what of the method's configuration is not used here, and why: a sentence each."""
        return ()

    def examples(self, splits: Mapping[str, Examples]) -> Mapping[str, Examples]:
        """Return what the method reads of a task's encoded splits; by default, the same splits."""
        return splits

    @abstractmethod
    def apply(self, model: torch.nn.Module, context: MethodContext) -> Adapter:
        """Adapt a model in place and freeze what stays fixed.

        Parameters
        ----------
        model
            The model that the task built.
        context
            What the method may need to know about the trial.

        Returns
        -------
        Adapter
            The adapted model with its hooks.
        """

    @abstractmethod
    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        """Load what `Adapter.save` wrote, for use and not for training.

        Parameters
        ----------
        model
            A model that the task has just built.
        folder
            The folder that `Adapter.save` wrote.

        Returns
        -------
        torch.nn.Module
            The model with the trained adapter and head.
        """

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> Adapter:
        """Adapt a model and continue from what `Adapter.save` wrote.

        Parameters
        ----------
        model
            A model that the task has just built.
        context
            What the method may need to know about the trial.
        folder
            The folder that `Adapter.save` wrote.

        Returns
        -------
        Adapter
            The adapted model with its hooks.

        Raises
        ------
        ValueError
            If the folder does not hold everything that trains.
        """
        return self.apply(self.load(model, folder), context)


def _as_json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
