"""Gradient checkpointing of a transformers model: activations are recomputed in the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def enable_gradient_checkpointing(model: torch.nn.Module, **options: object) -> bool:
    """Turn gradient checkpointing on, layer by layer; return False if the model does not support it.

    `options` are those of `torch.utils.checkpoint.checkpoint`. Call this after applying a method:
    otherwise PEFT would make gradients flow through the whole frozen backbone.
    """
    inner = _transformers_model(model)
    turn_on = getattr(inner, "activation_checkpointing_enable", None) or getattr(
        inner, "gradient_checkpointing_enable", None
    )
    if turn_on is None:
        return False
    try:
        turn_on({"use_reentrant": False, **options})
    except (ValueError, NotImplementedError):
        return False
    # Transformers requires gradients of the embeddings, which only reentrant checkpoints need. Here they
    # would extend the backward pass to layers below the lowest trained one.
    if hasattr(inner, "_require_grads_hook"):
        inner.disable_input_require_grads()
    for config in {id(c): c for c in (inner.config, inner.config.get_text_config())}.values():
        if getattr(config, "use_cache", False):
            config.use_cache = False  # useless here, and transformers warns when it turns it off
    return True


def disable_gradient_checkpointing(model: torch.nn.Module) -> None:
    """Turn gradient checkpointing off."""
    inner = _transformers_model(model)
    turn_off = getattr(inner, "activation_checkpointing_disable", None)
    (turn_off or inner.gradient_checkpointing_disable)()


def _transformers_model(model: torch.nn.Module) -> PreTrainedModel:
    """Return the outermost transformers model inside an adapted model."""
    return next((m for m in model.modules() if hasattr(m, "disable_input_require_grads")), model)
