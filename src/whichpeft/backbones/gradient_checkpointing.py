"""Gradient checkpointing of a transformers model: activations are computed again where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def enable_gradient_checkpointing(model: torch.nn.Module, **options: Any) -> bool:
    """Turn gradient checkpointing on, layer by layer; False where the model has none.

    options: of `torch.utils.checkpoint.checkpoint`. Call it after a method has been put on: PEFT would
    otherwise have gradients flow through all of a frozen backbone.
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
    # Transformers asks for gradients of the embeddings, which checkpoints of the older kind need; here
    # they would only take the backward pass through layers below all that trains.
    if hasattr(inner, "_require_grads_hook"):
        inner.disable_input_require_grads()
    for config in {id(c): c for c in (inner.config, inner.config.get_text_config())}.values():
        if getattr(config, "use_cache", False):
            config.use_cache = False  # of no use here, and turned off with a remark otherwise
    return True


def disable_gradient_checkpointing(model: torch.nn.Module) -> None:
    """Turn gradient checkpointing off again."""
    inner = _transformers_model(model)
    turn_off = getattr(inner, "activation_checkpointing_disable", None)
    (turn_off or inner.gradient_checkpointing_disable)()


def _transformers_model(model: torch.nn.Module) -> Any:
    """Return the outermost of transformers' models within what a method made."""
    return next((m for m in model.modules() if hasattr(m, "disable_input_require_grads")), model)
