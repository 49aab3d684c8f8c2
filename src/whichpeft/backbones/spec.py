"""Backbone: a pretrained model, resolved to files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Positions that no input fills, so that methods with virtual tokens read the same input as all
# others: one cap for every method and study. Two of them are lost where RoBERTa counts from 2.
_FREE_POSITIONS = 66
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
        """How many positions an input may fill; None without a limit, half where there are few."""
        if self.positions is None:
            return None
        return max(self.positions - _FREE_POSITIONS, self.positions // 2)

    @property
    def free_positions(self) -> int | None:
        """How many positions are left for virtual tokens beside the longest input, or None."""
        if self.positions is None or self.input_positions is None:
            return None
        return self.positions - self.input_positions - _OFFSET
