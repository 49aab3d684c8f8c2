"""Backbone: a pretrained model, resolved to files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Positions that no input fills, so that methods with virtual tokens read the same input as all
# others: one cap for every method and study. Two more stay free because RoBERTa counts from 2.
FREE_POSITIONS = 64
_OFFSET = 2


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

    @property
    def width(self) -> int | None:
        """The size of the hidden states, or None where the configuration does not say."""
        for key in ("hidden_size", "d_model", "n_embd", "dim"):
            value = self.config.get(key)
            if isinstance(value, int) and value > 0:
                return value
        return None

    @property
    def input_positions(self) -> int | None:
        """How many positions an input may fill beside virtual tokens, or None without a limit."""
        return None if self.positions is None else max(8, self.positions - FREE_POSITIONS - _OFFSET)
