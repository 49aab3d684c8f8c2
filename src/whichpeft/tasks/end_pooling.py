"""Encoder-decoders whose classifier reads a text where its end token is (BART, T5)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from whichpeft.backbones import Backbone

# Their classifiers look for config.eos_token_id in the ids; every row of a batch needs the same number.
_POOL_END = frozenset({"bart", "bigbird_pegasus", "mbart", "mt5", "mvp", "plbart", "t5", "umt5"})


def pools_end(backbone: Backbone) -> bool:
    """Whether the classifier of this architecture reads the place of a text's end token."""
    return backbone.family in _POOL_END


def end_token(backbone: Backbone) -> int | None:
    """Return the token that ends a text for the model, the first if there are several, or None."""
    found: Any = getattr(backbone.architecture().get_text_config(), "eos_token_id", None)
    if isinstance(found, (list, tuple)):
        found = next(iter(found), None)
    return found if isinstance(found, int) else None


def pool_last_column(model: PreTrainedModel) -> None:
    """Let a classifier without weights read the last column, because ids without content have no end.

    Its forward pass then has the same shapes, and fails for the same reasons as with content.
    """
    from transformers.modeling_outputs import SequenceClassifierOutput

    body = getattr(model, model.base_model_prefix)
    shift_right = getattr(model, "_shift_right", None)

    @functools.wraps(model.forward)
    def forward(input_ids: Any = None, inputs_embeds: Any = None, **options: Any) -> Any:
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("the classifier finds the end of a text by its ids, so it needs them")
        options.pop("labels", None)
        if shift_right is not None and options.get("decoder_input_ids") is None:
            options["decoder_input_ids"] = shift_right(input_ids)
        hidden = body(input_ids, **options)[0]
        return SequenceClassifierOutput(logits=model.classification_head(hidden[:, -1]))

    model.forward = forward
