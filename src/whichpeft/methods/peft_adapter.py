"""A method of HF PEFT on a model: what trains, and how it is saved, merged and removed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.methods.adapter import AdapterBase
from whichpeft.methods.shared_weights import check_not_shared

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

HEAD = "head.safetensors"
"""File of what the PEFT config has no place for: the task's head, or running statistics."""


class PeftAdapter(AdapterBase):
    """A PEFT model, saved in PEFT's format, including the head.

    Parameters
    ----------
    model
        The PEFT model.
    separate_head
        Names of the head's parameters in the base model, if PEFT does not save them itself.
    """

    trains = True

    def __init__(self, model: PeftModel, separate_head: Collection[str] = ()) -> None:
        self.model = model
        self._separate_head = frozenset(separate_head)

    @property
    def has_separate_head(self) -> bool:
        """Whether the head is trained and saved outside the PEFT adapter."""
        return bool(self._separate_head)

    def save(self, folder: Path) -> None:
        with quiet_warnings():
            self.model.save_pretrained(folder)
        save_head(self.model.get_base_model(), self._separate_head, folder)

    def merge(self) -> torch.nn.Module:
        """Merge the adapter into the weights and return the plain model with its trained head.

        Raises
        ------
        ValueError
            If the adapter cannot be merged, or merging would change what the model computes.
        """
        merge = getattr(self.model.base_model, "merge_and_unload", None)
        if self.model.active_peft_config.is_prompt_learning or merge is None:
            raise ValueError(
                f"{self.model.peft_type.value} does not change weights, so it cannot be merged"
            )
        check_not_shared(self.model)
        unwrap_head(self.model.get_base_model(), trained=True)
        with quiet_warnings():
            try:
                merged: torch.nn.Module = merge(safe_merge=True)
            except NotImplementedError as error:
                raise ValueError(str(error) or "PEFT cannot merge it") from None
        return merged

    def detach(self, *, restore_head: bool = True) -> torch.nn.Module:
        """Remove the adapter and return the model, with its original head or with the trained one."""
        base: torch.nn.Module = self.model.get_base_model()
        unwrap_head(base, trained=not restore_head)
        if hasattr(self.model.base_model, "unload"):
            with quiet_warnings():
                self.model.base_model.unload()
        return base


def train_head(model: torch.nn.Module, names: Collection[str]) -> None:
    """Make the named parameters of a base model trainable."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].requires_grad_(True)


def save_head(model: torch.nn.Module, names: Collection[str], folder: Path) -> None:
    """Write what PEFT does not save of a base model: the named parameters, and running statistics."""
    from safetensors.torch import save_file

    parameters = dict(model.named_parameters())
    kept = {name: parameters[name].detach().contiguous() for name in sorted(names)}
    kept |= running_statistics(model)
    if kept:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(kept, folder / HEAD)


def running_statistics(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the buffers of batch normalisation that trains; frozen layers keep their statistics.

    PEFT saves the copies that it trains together with their buffers, so they are left out.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper
    from torch.nn.modules.batchnorm import _BatchNorm

    found: dict[str, torch.Tensor] = {}
    copies: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            copies.append(f"{name}.")
        trains = any(parameter.requires_grad for parameter in module.parameters(recurse=False))
        if isinstance(module, _BatchNorm) and trains and not name.startswith(tuple(copies)):
            found |= {f"{name}.{key}": b.detach().contiguous() for key, b in module.named_buffers()}
    return found


def load_head(model: torch.nn.Module, folder: Path) -> None:
    """Read what `save_head` wrote, if it did."""
    from safetensors.torch import load_file

    if (folder / HEAD).exists():
        unexpected = model.load_state_dict(load_file(folder / HEAD), strict=False).unexpected_keys
        if unexpected:
            raise ValueError(
                f"{folder / HEAD}: contains {unexpected[0]}, which this model does not have"
            )


def set_state(model: PeftModel, folder: Path) -> None:
    """Load saved weights into a PEFT model."""
    import peft

    with quiet_warnings():
        state = peft.load_peft_weights(str(folder), device="cpu")
        peft.set_peft_model_state_dict(model, state)


def unwrap_head(model: torch.nn.Module, *, trained: bool) -> None:
    """Replace PEFT's wrappers around trained modules by the trained copy or the original module.

    PEFT does this itself when it merges an adapter, but fails for a head of several layers.
    """
    from peft.utils import ModulesToSaveWrapper

    wrapped = [(n, m) for n, m in model.named_modules() if isinstance(m, ModulesToSaveWrapper)]
    for name, wrapper in wrapped:
        parent, _, leaf = name.rpartition(".")
        kept = (
            wrapper.modules_to_save[wrapper.active_adapters[0]] if trained else wrapper.original_module
        )
        setattr(model.get_submodule(parent), leaf, kept)
