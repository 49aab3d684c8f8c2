"""A method whose config file cannot be read: a study refuses it and runs the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from whichpeft.errors import ConfigFileError
from whichpeft.methods.info import MethodInfo
from whichpeft.methods.method import Method, MethodContext

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.methods.adapter import Adapter
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Unreadable(Method):
    """Stands for a method whose config file cannot be read. It refuses every backbone and task."""

    info = MethodInfo(
        name="unreadable", description="a config file that cannot be read", learning_rate=0.0
    )

    text: str = ""
    """The method as written by the user."""

    reason: str = ""
    """Why its file cannot be read."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return {}

    @property
    def identity(self) -> str:
        return self.text

    def resolved_for(self, backbone: Backbone) -> Self:
        return self

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        return self.reason

    def refuses_options(self, study: Study) -> str | None:
        return self.reason

    def apply(self, model: torch.nn.Module, context: MethodContext) -> Adapter:
        raise ConfigFileError(self.reason)

    def load(self, model: torch.nn.Module, folder: Path) -> torch.nn.Module:
        raise ConfigFileError(self.reason)
