"""Backbone: a pretrained model, resolved to files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Positions that no input fills, so that methods with virtual tokens read the same input as all
# others: one cap for every method and study. Two of them are lost where RoBERTa counts from 2.
_FREE_POSITIONS = 66
_OFFSET = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """A pretrained model, or the architecture of one.

    name: short name to show. revision: commit on the hub, or a hash of the local weights; empty
    for an architecture. config: the model's own ``config.json``. folder: where its files lie; None
    for an architecture that whichpeft knows by name. weights: whether there are any, without which
    a backbone can be planned with and not run.
    """

    name: str
    revision: str
    config: Mapping[str, Any]
    folder: Path | None = None
    weights: bool = True

    @property
    def files(self) -> Path:
        """The folder of its files. Raises BackboneError where it has none."""
        if self.folder is None:
            raise BackboneError(
                f"backbone {self.name!r}: is an architecture without weights or a tokenizer, for "
                "`whichpeft plan`; to run it name its hub id or a folder"
            )
        return self.folder

    @property
    def family(self) -> str:
        """The model type as transformers names it: ``bert``, ``llama``, ``vit``."""
        return str(self.config["model_type"])

    def architecture(self) -> PreTrainedConfig:
        """Return transformers' configuration object of this model. Imports transformers.

        Raises BackboneError where transformers knows no such model type.
        """
        from transformers import CONFIG_MAPPING

        if self.family not in CONFIG_MAPPING:
            raise BackboneError(
                f"backbone {self.name!r}: model type {self.family!r} is none that the installed "
                "transformers knows"
            )
        return CONFIG_MAPPING[self.family].from_dict(dict(self.config))

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
