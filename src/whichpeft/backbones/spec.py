"""Backbone: a pretrained model, resolved to files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """A pretrained model whose files lie in `folder`.

    name: short name to show. revision: commit on the hub, or a hash of the local weights.
    config: the model's own ``config.json``.
    """

    name: str
    revision: str
    folder: Path
    config: Mapping[str, Any]

    @property
    def positions(self) -> int | None:
        """How many positions an input may fill, or None where the model sets no limit."""
        for key in ("max_position_embeddings", "n_positions"):
            value = self.config.get(key)
            if isinstance(value, int) and value > 0:
                return value
        return None
