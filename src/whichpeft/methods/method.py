"""Method: how a backbone is adapted. A frozen dataclass whose fields are its identity.

Declaring a method needs no torch; applying it does.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from whichpeft.study.names import format_part

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Examples, Task

_WIDTH = 384  # of minilm, on which the usual learning rates were found


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodContext:
    """What a method is told when it is applied.

    task_type: PEFT's name for the kind of task (``SEQ_CLS``), or None.
    head: names of the parameters of the task's new head.
    steps: optimiser steps of the whole trial.
    same_targets: target the modules that all methods share, not a method's own customary ones.
    weightless: the model has shapes and no weights, so what would look at weights is left out.
    """

    task_type: str | None
    head: frozenset[str]
    steps: int
    same_targets: bool = True
    weightless: bool = False


class Adapter(Protocol):
    """A method applied to a model: what trains, what follows each step, how it is kept."""

    @property
    def model(self) -> torch.nn.Module: ...

    @property
    def trains(self) -> bool:
        """False where there is nothing to train and the constant prediction stands."""
        ...

    @property
    def needs_own_step(self) -> bool:
        """Whether `penalty` or `after_step` does anything, so that trials cannot step as one model."""
        ...

    def penalty(self) -> torch.Tensor | None:
        """Return what the method adds to the task's loss, or None; it stays out of the curves."""
        ...

    def after_step(self, step: int) -> None:
        """Follow an optimiser step (counted from 0) while the gradients are still there."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Return what training changes beside parameters that train and buffers; most have nothing."""
        ...

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take up what `state` returned, to go on as if training had not been interrupted."""
        ...

    def save(self, folder: Path) -> None:
        """Write what deployment needs beside the backbone: adapter and head."""
        ...

    def merge(self) -> torch.nn.Module:
        """Fold the adapter into the weights and return the plain model with its trained head.

        Ends the adapter. Raises ValueError where it cannot be folded in.
        """
        ...

    def detach(self) -> torch.nn.Module:
        """Take the adapter off and return the model with the backbone as it was.

        Raises ValueError where the method has changed the backbone's own weights.
        """
        ...


@dataclass(frozen=True, slots=True)
class LogRange:
    """A range that tuning searches on a logarithmic scale, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """How a backbone is adapted.

    A subclass adds its hyperparameters as fields with defaults; all fields together are its
    identity.

    learning_rate: the peak; where not given, `usual_learning_rate`, scaled for the backbone.
    usual_learning_rate: at a width of 384; `learning_rate_source` says where it comes from.
    merges: whether it can be folded into the weights, so that inference costs nothing more.
    several: whether a model can hold several of its adapters. choices: what tuning may try for the
    method's own options, beside the learning rate. by_layer: whether what it adds is the same for
    every layer, so that costs can be counted on a few.
    scales_with_width: what trains are matrices, whose learning rate under Adam falls with the
    width they sum over (Yang et al. 2022, arXiv 2203.03466); that of vectors does not.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    paper: ClassVar[str] = ""
    usual_learning_rate: ClassVar[float] = 1e-3
    learning_rate_source: ClassVar[str] = ""
    scales_with_width: ClassVar[bool] = False
    merges: ClassVar[bool] = True
    several: ClassVar[bool] = True
    by_layer: ClassVar[bool] = True
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    supports: ClassVar[str] = "any"
    aliases: ClassVar[Mapping[str, str]] = {}
    uncounted: ClassVar[frozenset[str]] = frozenset()
    """Whole-numbered options that may be 0 or less."""

    learning_rate: float | None = None
    weight_decay: float = 0.0
    warmup_ratio: float = 0.06

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every value that decides the result, as JSON values, derived ones filled in."""
        return {field.name: _as_json(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @property
    def identity(self) -> str:
        """Canonical spelling, equal for two spellings of one method: only what has to be said."""
        said = self
        for field in dataclasses.fields(self):
            # What is given may be what would be derived: lora:r=16,lora_alpha=32 is lora:r=16.
            usual: dict[str, Any] = {field.name: field.default}
            unsaid = dataclasses.replace(said, **usual)
            if unsaid.hyperparameters == self.hyperparameters:
                said = unsaid
        options = ((f.name, getattr(said, f.name), f.default) for f in dataclasses.fields(said))
        return format_part(
            self.name, tuple((key, value) for key, value, default in options if value != default)
        )

    def resolved_for(self, backbone: Backbone) -> Self:
        """Return the method with every value that depends on the backbone filled in."""
        if self.learning_rate is not None:
            return self
        factor = _WIDTH / backbone.width if self.scales_with_width and backbone.width else 1.0
        return dataclasses.replace(self, learning_rate=self.usual_learning_rate * factor)

    def with_options(self, values: Mapping[str, Any]) -> Self:
        """Return the method with some of its options changed, named as in `search_space`."""
        return dataclasses.replace(self, **values)

    @property
    def further_options(self) -> frozenset[str]:
        """Options that can be given and are not worth a place in a list."""
        return frozenset()

    @property
    def search_space(self) -> dict[str, LogRange | tuple[Any, ...]]:
        """What tuning may try: the learning rate around the one in place, and the method's choices.

        Empty where nothing trains.
        """
        rate = self.learning_rate or self.usual_learning_rate
        return {"learning_rate": LogRange(rate / 10, rate * 5), **self.choices} if rate else {}

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        """Say why this method cannot work there, before any work; None where it can."""
        return None

    def refuses_options(self, study: Study) -> str | None:
        """Say why this method cannot work with what the study saves by; None where it can.

        The study says which: gradient checkpointing, quantised weights, shards, packing.
        """
        return None

    def examples(self, splits: Mapping[str, Examples]) -> Mapping[str, Examples]:
        """Return what the method reads of a task's encoded splits; most read them as they are."""
        return splits

    @abstractmethod
    def apply(self, model: torch.nn.Module, context: MethodContext) -> Adapter:
        """Adapt a model that a task built, in place, freezing what stays fixed."""

    @abstractmethod
    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        """Give a model that a task built anew what `Adapter.save` wrote, for use, not training."""

    def resume(self, model: torch.nn.Module, context: MethodContext, folder: Path) -> Adapter:
        """Adapt a model that a task built anew, and go on from what `Adapter.save` wrote.

        Raises ValueError where that does not hold all that trains.
        """
        return self.apply(self.load(model, folder), context)


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
