"""A backbone: a pretrained model with its files on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whichpeft.backbones.folder import weight_files
from whichpeft.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

AUTO, FLASH = "auto", "flash_attention_2"
"""Two implementations of attention that are chosen and loaded unlike the others."""

# Positions that no input fills, so that methods with virtual tokens read the same input as all other
# methods: 64 for the virtual tokens that a prompt method puts before the input, and 2 because RoBERTa
# counts its positions from 2. The cap is the same for every method and study.
_FREE_POSITIONS = 66
_OFFSET = 2
_FEW_POSITIONS = 256
# Names of the number of layers in the configurations of the families.
_DEPTHS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers",
    "num_decoder_layers",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Backbone:
    """A pretrained model, or only its architecture."""

    name: str
    """Short name in reports."""
    revision: str
    """Commit on the hub, or a hash of a folder's files that decide what it computes: its configuration,
    weights, tokenizer, chat template and image processor. Empty for an architecture."""
    config: Mapping[str, Any]
    """The model's own ``config.json``."""
    folder: Path | None = None
    """Folder of the files; None for an architecture that whichpeft knows by name."""
    weights: bool = True
    """Whether there are weights; a backbone without weights can be planned for, but not run."""
    quantise: str | None = None
    """``8bit`` or ``4bit`` to load the linear weights quantised."""
    attention: str = AUTO
    """Implementation of attention, as `whichpeft.study.Conditions` has it."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What a user should know about its files, one sentence without a full stop each."""

    @property
    def files(self) -> Path:
        """The folder of its files. Raises BackboneError for an architecture without files."""
        if self.folder is None:
            raise BackboneError(
                f"backbone {self.name!r}: is an architecture without weights or a tokenizer, for "
                "`whichpeft plan`; to run it, give its hub id or a folder"
            )
        return self.folder

    @property
    def family(self) -> str:
        """The model type as transformers names it: ``bert``, ``llama``, ``vit``."""
        return str(self.config["model_type"])

    def architecture(self) -> PreTrainedConfig:
        """Return transformers' configuration object of this model. Imports transformers.

        Raises BackboneError if transformers does not know the model type.
        """
        from transformers import CONFIG_MAPPING

        if self.family not in CONFIG_MAPPING:
            raise BackboneError(
                f"backbone {self.name!r}: the installed transformers does not know model type "
                f"{self.family!r}"
            )
        overrides = self.overrides
        if self.attention == FLASH:  # it needs content; fused kernels of torch keep the same activations
            overrides["attn_implementation"] = "sdpa"
        return CONFIG_MAPPING[self.family].from_dict({**self.config, **overrides})

    @property
    def overrides(self) -> dict[str, Any]:
        """What takes the place of values in its ``config.json``, and says nothing about the model.

        Outputs are read by name. transformers cannot choose between a family's classes without a list.
        """
        attention = {} if self.attention == AUTO else {"attn_implementation": self.attention}
        return {
            "return_dict": True,
            "architectures": self.config.get("architectures") or [],
            **attention,
        }

    @property
    def float32_bytes(self) -> int:
        """Bytes of its weights in float32, by the size of their files; 0 without files."""
        if self.folder is None:
            return 0
        files = weight_files(self.folder, self.config, self.name)
        stored = str(self.config.get("dtype") or self.config.get("torch_dtype") or "float32")
        return sum(path.stat().st_size for path in files) * (2 if stored.endswith("16") else 1)

    @property
    def depth(self) -> int | None:
        """Number of layers, or None if the configuration does not give a single number.

        The two stacks of an encoder-decoder count once if they are equally deep.
        """
        depths = {self.config[key] for key in _DEPTHS if isinstance(self.config.get(key), int)}
        return depths.pop() if len(depths) == 1 else None

    def with_depth(self, depth: int) -> Backbone:
        """Return the same architecture with `depth` layers. Requires `self.depth`."""
        # Lists with one entry per layer, such as layer_types, are cut to the new depth.
        config = {
            key: value[:depth] if isinstance(value, list) and len(value) == self.depth else value
            for key, value in self.config.items()
        }
        config |= {key: depth for key in _DEPTHS if isinstance(config.get(key), int)}
        return replace(self, config=config)

    @property
    def positions(self) -> int | None:
        """Number of positions of the model, or None if it has no limit."""
        for key in ("max_position_embeddings", "n_positions"):
            value = self.config.get(key)
            if isinstance(value, int) and value > 0:
                return value
        return None

    @property
    def width(self) -> int | None:
        """Size of the hidden states, or None if the configuration does not give it."""
        for key in ("hidden_size", "d_model", "n_embd", "dim"):
            value = self.config.get(key)
            if isinstance(value, int) and value > 0:
                return value
        return None

    @property
    def input_positions(self) -> int | None:
        """Number of positions an input may fill: at least half of them. None without a limit."""
        if self.positions is None:
            return None
        return max(self.positions - _FREE_POSITIONS, self.positions // 2)

    @property
    def residue_positions(self) -> int | None:
        """Number of positions a protein may fill. None without a limit.

        These are all of a few: models of antibodies have just enough for a whole chain.
        """
        if self.positions is None or self.positions >= _FEW_POSITIONS:
            return self.input_positions
        return self.positions - _OFFSET

    def free_positions(self, *, residues: bool = False) -> int | None:
        """Return how many positions are left for virtual tokens after the longest input.

        None without a limit. `residues` is whether inputs are proteins.
        """
        taken = self.residue_positions if residues else self.input_positions
        return None if self.positions is None or taken is None else self.positions - taken - _OFFSET
