"""Tries each method on a model without weights before a run, to find out whether it works."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from whichpeft.backbones import Backbone
from whichpeft.backbones.gradient_checkpointing import (
    disable_gradient_checkpointing,
    enable_gradient_checkpointing,
)
from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.errors import MethodError, RequestError
from whichpeft.methods import Adapter, Method
from whichpeft.methods.layers import all_layers
from whichpeft.planning.batch_norm import set_training
from whichpeft.planning.meta_model import (
    FEW_LAYERS,
    build_meta_model,
    layers_are_alike,
    needs_weights,
    treats_layers_alike,
)
from whichpeft.tasks import Batch, Task

if TYPE_CHECKING:
    import torch

_logger = logging.getLogger(__name__)
_SIZE, _LENGTH = 2, 8
_LONGEST_REASON = 300


def probe(
    method: Method,
    backbone: Backbone,
    task: Task,
    *,
    same_targets: bool,
    gradient_checkpointing: bool = False,
    shards: int = 1,
) -> str | None:
    """Try a method and a step without an update on a model without weights.

    The backward pass is taken only for gradient checkpointing, which leaves some methods' parameters
    out of it. An error that only means that weights are missing is not a reason.

    Returns
    -------
    str or None
        Why the method does not work; None if nothing was found.
    """

    try:
        backbone, adapter = _apply(method, backbone, task, same_targets)
    except RequestError:
        raise
    except MethodError as error:
        return " ".join(str(error).split())
    except Exception as error:  # any error of a library means that the method does not work
        _logger.debug("%s cannot be applied to %s", method.name, backbone.name, exc_info=True)
        return None if needs_weights(error) else _reason(error)
    if not adapter.trains:
        return None
    indivisible = _indivisible(adapter.model) if shards > 1 else None
    if indivisible is not None:
        return indivisible
    fault = _fault(task, backbone, adapter.model)
    if fault is None and gradient_checkpointing:
        return _left_out(task, backbone, adapter.model)
    if fault is None or needs_weights(fault):
        return None
    # If the plain model does not run without weights either, the method is not to blame.
    return _reason(fault) if _runs_plain(task, backbone) else None


def _apply(
    method: Method, backbone: Backbone, task: Task, same_targets: bool
) -> tuple[Backbone, Adapter]:
    """Put a method on two layers, or on all if layers differ. Raises any error of the method."""
    if treats_layers_alike(method, backbone) and layers_are_alike(backbone, task):
        backbone = backbone.with_depth(FEW_LAYERS[0])
    return backbone, build_meta_model(method, backbone, task, same_targets=same_targets).adapter


def _indivisible(model: torch.nn.Module) -> str | None:
    """Return why a model cannot be sharded layer by layer, or None."""
    layers = all_layers(model)
    groups = [dict(layer.named_parameters()) for layer in layers]
    groups.append(_outside(model, {id(layer) for layer in layers}))
    owners: dict[int, int] = {}
    for number, group in enumerate(groups):
        for name, parameter in group.items():
            if parameter.dim() == 0:
                return f"{name} is a single number, which cannot be sharded"
            if owners.setdefault(id(parameter), number) != number:
                return f"its layers share {name}, but each layer is sharded separately"
    return None


def _outside(model: torch.nn.Module, layers: Collection[int]) -> dict[str, torch.nn.Parameter]:
    """Return the parameters outside the layers."""
    found = {name: p for name, p in model._parameters.items() if p is not None}
    for name, child in model.named_children():
        if id(child) not in layers:
            found |= {f"{name}.{key}": p for key, p in _outside(child, layers).items()}
    return found


def _left_out(task: Task, backbone: Backbone, model: torch.nn.Module) -> str | None:
    """Return the reason if gradient checkpointing keeps a parameter from learning, else None.

    It uses fake tensors, because activations cannot be recomputed on the meta device.
    """
    import torch

    from whichpeft.planning.fake_tensors import make_fake

    device = torch.device("cpu")
    with torch.device("meta"):
        shapes = task.dummy_batch(backbone, _SIZE, _LENGTH)
    # The random state has content, and it does not matter here.
    if not enable_gradient_checkpointing(model, preserve_rng_state=False):
        return f"transformers has no gradient checkpointing for {backbone.family}"
    try:
        with make_fake(model, device), device, quiet_warnings():
            batch = {key: torch.empty(value.shape, dtype=value.dtype) for key, value in shapes.items()}
            recomputed = _learning(task, model, batch)
            disable_gradient_checkpointing(model)
            plain = _learning(task, model, batch)
    except torch.utils.checkpoint.CheckpointError as error:
        return f"gradient checkpointing breaks it: {_reason(error)}"
    except Exception:  # the model reads the content of tensors; a run shows if it works
        _logger.debug("gradient checkpointing could not be tried without weights", exc_info=True)
        return None
    missing = sorted(plain - recomputed)
    if not missing:
        return None
    return f"gradient checkpointing leaves it out of the backward pass: {missing[0]} gets no gradient"


def _learning(task: Task, model: torch.nn.Module, batch: Batch) -> set[str]:
    """Return the names of the parameters that get a gradient."""
    task.loss(set_training(model), dict(batch)).backward()
    found = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def _fault(task: Task, backbone: Backbone, model: torch.nn.Module) -> Exception | None:
    """Take a forward pass on the meta device and return the error that it raised, or None."""
    import torch

    try:
        with torch.device("meta"), quiet_warnings():
            task.loss(set_training(model), task.dummy_batch(backbone, _SIZE, _LENGTH))
    except Exception as error:
        _logger.debug("the forward pass failed", exc_info=True)
        return error
    return None


def _runs_plain(task: Task, backbone: Backbone) -> bool:
    """Whether the plain model runs without weights: on the meta device, or else with fake tensors.

    The meta device does not know enough for the masks of some decoders.
    """
    import torch

    from whichpeft.planning.fake_tensors import make_fake, quiet_fakes

    with torch.device("meta"):
        if _fault(task, backbone, task.build_on_meta(backbone)) is None:
            return True
        model, shapes = task.build_on_meta(backbone), task.dummy_batch(backbone, _SIZE, _LENGTH)
    device = torch.device("cpu")
    try:
        with quiet_fakes(), make_fake(model, device), device:
            batch = {key: torch.empty(value.shape, dtype=value.dtype) for key, value in shapes.items()}
            task.loss(set_training(model), batch)
    except Exception:
        _logger.debug("the plain model does not run without weights", exc_info=True)
        return False
    return True


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_LONGEST_REASON]
