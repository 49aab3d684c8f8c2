"""Backbone: a pretrained model, resolved to files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Positions that no input fills, so that methods with virtual tokens read the same input as all
# others: one cap for every method and study. Two of them are lost where RoBERTa counts from 2.
_FREE_POSITIONS = 66
_OFFSET = 2
# What the families call the number of layers.
_DEPTHS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers",
    "num_decoder_layers",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """A pretrained model, or the architecture of one.

    name: short name to show. revision: commit on the hub, or a hash of the local weights; empty
    for an architecture. config: the model's own ``config.json``. folder: where its files lie; None
    for an architecture that whichpeft knows by name. weights: whether there are any, without which
    a backbone can be planned with and not run. quantise: ``8bit`` or ``4bit`` where its linear weights
    are to be loaded so.
    """

    name: str
    revision: str
    config: Mapping[str, Any]
    folder: Path | None = None
    weights: bool = True
    quantise: str | None = None

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
    def depth(self) -> int | None:
        """How many layers are stacked, or None where the configuration does not say it simply.

        Both stacks of an encoder-decoder count as one where they are equally deep.
        """
        depths = {self.config[key] for key in _DEPTHS if isinstance(self.config.get(key), int)}
        return depths.pop() if len(depths) == 1 else None

    def with_depth(self, depth: int) -> Backbone:
        """Return the same architecture with so many layers. Needs `self.depth`."""
        # What is said layer by layer is cut to as many: layer_types and the like.
        config = {
            key: value[:depth] if isinstance(value, list) and len(value) == self.depth else value
            for key, value in self.config.items()
        }
        config |= {key: depth for key in _DEPTHS if isinstance(config.get(key), int)}
        return replace(self, config=config)

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
