"""The backbones ``sapiens-vh`` and ``antiberty``: language models of antibodies.

Sapiens VH (MIT; Prihoda et al. 2022, doi:10.1080/19420862.2021.2020203) is embedded; see
``tools/convert_sapiens.py``. AntiBERTy (MIT; Ruffolo et al. 2021, arXiv:2112.07782), of 26 million
parameters, is in the package of the same name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.backbones.folder import sha256
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.storage.cache import cached

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SAPIENS_VH = Path(__file__).parent / "sapiens_vh"
SAPIENS_VH_SHA256 = "c0f9d6c7e5a1454ab963b9580f5ee88839aea863e59b35e9909e32f99506e242"

ANTIBERTY_PACKAGE = "antiberty"
ANTIBERTY_SHA256 = "f1ae33eac8cc8784a7d4be5a600141d2fa7bc7d8d5b3f5324d64a6a63bd0f137"
_MODEL = "antiberty/trained_models/AntiBERTy_md_smooth"
_RECIPE = 1
"""Increase this for every change of what is written."""

_CONFIG = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id",
)  # fmt: skip
_VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACDEFGHIKLMNPQRSTVWY")
_POSITIONS = 512


def antiberty_weights() -> Path | None:
    """Return the package's file of weights; None if it is not installed, or another version is."""
    try:
        path = Path(str(distribution(ANTIBERTY_PACKAGE).locate_file(f"{_MODEL}/pytorch_model.bin")))
    except PackageNotFoundError:
        return None
    return path if path.is_file() and sha256(path) == ANTIBERTY_SHA256 else None


def antiberty_folder(weights: Path) -> Path:
    """Return a folder in the cache with AntiBERTy's weights as transformers reads them.

    Raises FolderError if the cache is not writable.
    """
    name = f"antiberty-{_RECIPE}-{ANTIBERTY_SHA256[:8]}"
    return cached(name, lambda folder: _convert_antiberty(weights, folder))


def _convert_antiberty(weights: Path, folder: Path) -> None:
    import torch

    with quiet_loading():
        from transformers import BertConfig, BertForMaskedLM

        config = json.loads((weights.parent / "config.json").read_text(encoding="utf-8"))
        model = BertForMaskedLM(BertConfig(**{key: config[key] for key in _CONFIG}))
        found = torch.load(weights, map_location="cpu", weights_only=True)
        known = set(model.state_dict())
        # The package's own heads, of species and chain, have no place in transformers.
        missing, _ = model.load_state_dict(
            {name: value for name, value in found.items() if name in known}, strict=False
        )
        assert not missing, missing
        model.save_pretrained(folder)
        residue_tokenizer(
            _VOCABULARY,
            _POSITIONS,
            begin="[CLS]",
            end="[SEP]",
            pad="[PAD]",
            unknown="[UNK]",
            mask="[MASK]",
        ).save_pretrained(folder)


def residue_tokenizer(
    vocabulary: Sequence[str],
    positions: int,
    *,
    begin: str,
    end: str,
    pad: str,
    unknown: str,
    mask: str,
) -> PreTrainedTokenizerFast:
    """Return a tokenizer of one token per residue, which passes over blanks and is blind to case.

    Parameters
    ----------
    vocabulary
        Residues and special tokens, in the order of their ids.
    positions
        The longest input, with its special tokens.
    begin, end, pad, unknown, mask
        The special tokens.
    """
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Replace, Sequence
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    ids = {token: number for number, token in enumerate(vocabulary)}
    made = Tokenizer(WordLevel(ids, unk_token=unknown))
    capitals = [Replace(letter.lower(), letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    made.normalizer = Sequence([Replace(Regex(r"\s"), ""), *capitals])
    made.pre_tokenizer = Split(Regex("."), "isolated")
    made.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B {end}",
        special_tokens=[(begin, ids[begin]), (end, ids[end])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        cls_token=begin,
        pad_token=pad,
        sep_token=end,
        unk_token=unknown,
        mask_token=mask,
        model_max_length=positions,
    )
