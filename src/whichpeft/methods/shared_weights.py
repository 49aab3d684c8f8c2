"""Finds adapted weights that other modules use, too, such as a language model's tied embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def check_not_shared(model: torch.nn.Module) -> None:
    """Raise ValueError if merging an adapter would change a module that the adapter is not on.

    Before merging, an adapter changes one use of a weight; after merging, every use. Two adapters on the
    two uses would both be added to the one weight. PEFT's trained tokens are the exception: they replace
    rows, and PEFT gives all uses the same rows.
    """
    from peft.tuners.trainable_tokens import TrainableTokensLayer
    from peft.tuners.tuners_utils import BaseTunerLayer

    users: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                users.setdefault(id(parameter), []).append(name)
    adapted = {
        id(module.get_base_layer()): module
        for module in model.modules()
        if isinstance(module, BaseTunerLayer)
    }
    modules = dict(model.named_modules())
    for names in users.values():
        layers = [adapted.get(id(modules[name])) for name in names]
        replaced = all(isinstance(layer, TrainableTokensLayer) for layer in layers)
        if len(names) > 1 and any(layers) and not replaced:
            one, other = (_plain(name) for name in names[:2])
            raise ValueError(
                f"{one} and {other} share their weights, so merging an adapter on one would change both"
            )


def _plain(name: str) -> str:
    """Return a module's name without the names of the wrappers around it."""
    return name.removesuffix(".base_layer").removeprefix("base_model.model.")
