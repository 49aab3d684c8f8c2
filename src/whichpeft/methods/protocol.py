"""What a method is to the rest of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget
    from whichpeft.tasks import Task


@dataclass(frozen=True, slots=True)
class Recipe:
    """The optimiser's settings that any method may set."""

    learning_rate: float
    weight_decay: float
    warmup_ratio: float


@dataclass(frozen=True, slots=True)
class Situation:
    """What a method is told when it is applied.

    task_type: PEFT's name for the kind of task, ``SEQ_CLS`` for text classification, or None.
    head: names of the parameters of the task's new head.
    steps: optimiser steps of the whole trial.
    same_targets: target the modules that all methods share, not the method's own customary ones.
    """

    head: frozenset[str]
    steps: int
    task_type: str | None
    same_targets: bool


class Adapter(Protocol):
    """A method applied to a model: what trains, what follows each step, how it is kept."""

    @property
    def model(self) -> torch.nn.Module: ...

    @property
    def trains(self) -> bool:
        """False where there is nothing to train and the constant prediction stands."""
        ...

    def after_step(self, step: int) -> None:
        """Follow an optimiser step (counted from 0); gradients are still there."""
        ...

    def save(self, folder: Path) -> None:
        """Write what deployment needs beside the backbone: adapter and head."""
        ...


class Method(Protocol):
    """How a backbone is adapted. A frozen dataclass whose fields are its identity."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str:
        """As typed."""
        ...

    @property
    def identity(self) -> str:
        """Canonical form: equal for two spellings of the same method."""
        ...

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Every value that decides the result, the recipe included; JSON values."""
        ...

    @property
    def recipe(self) -> Recipe: ...

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        """Say why this method cannot work there, before any work; None where it can."""
        ...

    def apply(self, model: torch.nn.Module, situation: Situation) -> Adapter:
        """Adapt a model from `Task.build`, freezing what stays fixed. Changes it in place."""
        ...
