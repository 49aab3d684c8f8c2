"""A method applied to a model: the protocol, and a base class whose hooks do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Adapter(Protocol):
    """A method applied to a model: what trains, what each step does, how it is saved.

    Subclass `AdapterBase` if only some of the hooks have something to do.
    """

    @property
    def model(self) -> torch.nn.Module:
        """The adapted model."""
        ...

    @property
    def trains(self) -> bool:
        """Whether anything trains; if not, the constant prediction is scored."""
        ...

    @property
    def needs_own_step(self) -> bool:
        """Whether `penalty` or `after_step` does anything, so that trials cannot step as one model."""
        ...

    def penalty(self) -> torch.Tensor | None:
        """Return what the method adds to the task's loss, or None; loss curves leave it out."""
        ...

    def after_step(self, step: int) -> None:
        """Act after an optimiser step, while its gradients still exist.

        Parameters
        ----------
        step
            Number of the step, counted from 0.
        """
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Return what training changes other than trained parameters and buffers; usually nothing."""
        ...

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what `state` returned, so that training resumes as if never interrupted."""
        ...

    def save(self, folder: Path) -> None:
        """Write what deployment needs in addition to the backbone: adapter and head."""
        ...

    def merge(self) -> torch.nn.Module:
        """Merge the adapter into the weights and return the plain model with its trained head.

        The adapter cannot be used afterwards.

        Raises
        ------
        ValueError
            If the adapter cannot be merged, or merging would change what the model computes.
        """
        ...

    def detach(self) -> torch.nn.Module:
        """Remove the adapter and return the model with the original backbone.

        Raises
        ------
        ValueError
            If the method has changed the backbone's own weights.
        """
        ...


class AdapterBase:
    """The hooks of an adapter that adds nothing to the loss, the step or the saved state."""

    needs_own_step = False

    def penalty(self) -> torch.Tensor | None:
        """Return None: nothing is added to the loss."""
        return None

    def after_step(self, step: int) -> None:
        """Do nothing."""

    def state(self) -> dict[str, torch.Tensor]:
        """Return nothing: training changes only parameters and buffers."""
        return {}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Do nothing."""
