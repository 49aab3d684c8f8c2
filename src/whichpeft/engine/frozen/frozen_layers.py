"""The frozen prefix of a model: the lowest layers, which a method neither trains nor changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch

from whichpeft.methods import Adapter
from whichpeft.methods.layers import layer_lists


def find_frozen_prefix(
    adapter: Adapter, before: Collection[str], head: Collection[str]
) -> tuple[torch.nn.Module, ...]:
    """Return the lowest layers of a model that a method neither trains nor adds anything to.

    The result is empty if the method adds parameters, or trains parameters outside the head and the
    layers: then the inputs of every layer may depend on the method.

    Parameters
    ----------
    before
        Names of the model's parameters before the method was applied.
    head
        Names of the parameters of the task's head.
    """
    model = adapter.model
    names = {name for name, _ in model.named_parameters()}
    trained = {name for name, p in model.named_parameters() if p.requires_grad} - set(head)
    lists = layer_lists(model)
    if not adapter.trains or names != set(before) or not lists or _hooked(model):
        return ()
    prefix, layers = lists[-1]
    touched = [any(n.startswith(f"{prefix}.{i}.") for n in trained) for i in range(len(layers))]
    within = {n for n in trained if n.startswith(f"{prefix}.")}
    if within != trained or (touched and touched[0]):
        return ()
    count = touched.index(True) if True in touched else len(layers)
    return tuple(layers[:count])


def keep_still(model: torch.nn.Module, layers: Sequence[torch.nn.Module]) -> None:
    """Make frozen layers, and the modules before them, always run as in inference: without dropout.

    The modules before them are those that the model defines earlier; models define their parts in the
    order in which they run.
    """
    below = {module for layer in layers for module in layer.modules()}
    if not below:
        return
    for module in model.modules():
        if module is layers[0]:
            break
        if not below.intersection(module.modules()):
            below.add(module)
    for module in below:
        module.eval()
        module.train = _stays(module)


def _stays(module: torch.nn.Module) -> Callable[[bool], torch.nn.Module]:
    def train(mode: bool = True) -> torch.nn.Module:
        return module

    return train


def _hooked(model: torch.nn.Module) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
