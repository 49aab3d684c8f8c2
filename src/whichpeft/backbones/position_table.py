"""Whether a model looks positions up in a table, which ends, or computes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whichpeft.backbones.backbone import Backbone

# Names that the families give to their table: position_embeddings, embed_positions, wpe, pos_emb.
_TABLE = re.compile(r"(?:^|[._])(?:wpe|pos(?:ition)?s?_(?:emb|encod)|embed_pos|positions_embed|pe$)")
_OFFSETS = range(3)  # some tables have two rows more than positions


def has_position_table(backbone: Backbone) -> bool:
    """Whether an input cannot be longer than the model's number of positions.

    This is so for learned tables (BERT, GPT-2) and for stored sines (GPT-J), not for rotary positions,
    ALiBi and relative positions. A model that cannot be built from its configuration counts as one with
    a table.
    """
    import torch
    from transformers import AutoModel

    positions = backbone.positions
    if positions is None:
        return False
    shallow = backbone.with_depth(1) if backbone.depth else backbone
    try:
        with torch.device("meta"):
            model = AutoModel.from_config(shallow.architecture())
    except Exception:  # of many kinds, from models that need more than their configuration
        return True
    sizes = {positions + offset for offset in _OFFSETS}
    return any(
        _TABLE.search(name) and sizes & set(tensor.shape)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    )


def is_rotary(backbone: Backbone) -> bool:
    """Whether a model has rotary positions."""
    config = backbone.architecture()
    rotary = getattr(config, "rope_parameters", None)
    named = getattr(config, "position_embedding_type", None) == "rotary"
    return bool(rotary or named) and not getattr(config, "alibi", False)
