"""Texts as a backbone reads them: token ids, kept flat, padded batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import BackboneError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.protocol import Batch

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone

LONGEST = 512
# Positions kept free for every method alike: 64 for virtual tokens that a prompt method puts
# before the input, 2 because RoBERTa counts its positions from 2.
_AT_ONCE = 2000
_TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "spiece.*", "bpe.*")


@dataclass(frozen=True, slots=True, eq=False)
class TextExamples:
    """One split in tokens; example i is ``ids[offsets[i]:offsets[i + 1]]``.

    types: token types along `ids` where the tokenizer tells the texts of a pair apart that way.
    pad: id that fills a batch. truncated: share of the examples that were cut to the length cap.
    """

    ids: Array
    offsets: Array
    types: Array | None
    labels: Array
    pad: int
    truncated: float

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Array:
        return np.diff(self.offsets)

    @property
    def tokens(self) -> Array:
        return np.diff(self.offsets)

    def batch(self, indices: Array) -> Batch:
        """Return input_ids, attention_mask, token_type_ids (where there are any) and labels."""
        import torch

        chosen = np.asarray(indices)
        starts = self.offsets[chosen]
        lengths = self.offsets[chosen + 1] - starts
        places = np.arange(int(lengths.max()))
        mask = places < lengths[:, None]
        found = (starts[:, None] + places)[mask]
        ids = np.full(mask.shape, self.pad, dtype=np.int64)
        ids[mask] = self.ids[found]
        batch = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        }
        if self.types is not None:
            types = np.zeros(mask.shape, dtype=np.int64)
            types[mask] = self.types[found]
            batch["token_type_ids"] = torch.from_numpy(types)
        labels = self.labels[chosen]
        batch["labels"] = torch.from_numpy(
            labels.astype(np.int64 if np.issubdtype(labels.dtype, np.integer) else np.float32)
        )
        return batch


def encode_texts(
    texts: Sequence[tuple[str, ...]], labels: Array, tokenizer: Any, backbone: Backbone
) -> TextExamples:
    """Tokenise texts, cutting those over the length cap (pairs from their longer text)."""
    cap = length_cap(backbone, tokenizer)
    pad = pad_id(backbone, tokenizer)
    # Some decoders' tokenizers make nothing of an empty text; a model cannot read nothing.
    empty = next(
        (i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id, pad) if i is not None), pad
    )
    ids: list[Array] = []
    types: list[Array] = []
    lengths: list[int] = []
    cut = 0
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        read = _tokenise(tokenizer, some)
        long = [i for i, tokens in enumerate(read["input_ids"]) if len(tokens) > cap]
        if long:
            short = _tokenise(tokenizer, [some[i] for i in long], cap)
            for key in read:
                for i, tokens in zip(long, short[key], strict=True):
                    read[key][i] = tokens
        cut += len(long)
        for i, tokens in enumerate(read["input_ids"]):
            ids.append(np.array(tokens or [empty], dtype=np.int32))
            lengths.append(len(ids[-1]))
            if "token_type_ids" in read:
                types.append(np.array(read["token_type_ids"][i] or [0], dtype=np.int8))
    return TextExamples(
        ids=np.concatenate(ids),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        types=np.concatenate(types) if types else None,
        labels=labels,
        pad=pad,
        truncated=cut / len(texts),
    )


def length_cap(backbone: Backbone, tokenizer: Any) -> int:
    """Most tokens an input may have: the same for every method and study with this backbone.

    A backbone of few positions keeps half of them for the input.
    """
    cap = min(LONGEST, int(min(tokenizer.model_max_length, LONGEST)))
    return cap if backbone.input_positions is None else min(cap, backbone.input_positions)


def pad_id(backbone: Backbone, tokenizer: Any | None = None) -> int:
    """Id that pads: the model's own, else its tokenizer's, else the end of text (GPT-2, Llama).

    The model's own comes first because a decoder's classifier looks for it to find the last token.
    """
    config = backbone.architecture().get_text_config()

    def known(token: object) -> bool:
        return isinstance(token, int) and 0 <= token < config.vocab_size

    own: int | None = getattr(config, "pad_token_id", None)
    if own is not None and known(own):
        return own
    tokenizer = tokenizer or load_tokenizer(backbone)
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if known(token):
            return int(token)
    raise BackboneError(
        f"backbone {backbone.name!r}: neither its configuration nor its tokenizer names a padding or "
        "end token; set pad_token_id in its config.json"
    )


def load_tokenizer(backbone: Backbone) -> Any:
    """Load the tokenizer that lies beside the weights.

    Raises BackboneError where there is none.
    """
    from transformers import AutoTokenizer

    try:
        # Without files transformers makes a tokenizer that knows no word, and says nothing.
        if not any(any(backbone.files.glob(name)) for name in _TOKENIZER_FILES):
            raise OSError("no tokenizer.json or vocabulary there")
        return AutoTokenizer.from_pretrained(backbone.files, local_files_only=True, use_fast=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"backbone {backbone.name!r}: no tokenizer can be read from {backbone.folder} ({reason}); "
            "save one there with tokenizer.save_pretrained()"
        ) from None


def _tokenise(
    tokenizer: Any, texts: Sequence[tuple[str, ...]], cap: int | None = None
) -> dict[str, list[list[int]]]:
    columns = [list(column) for column in zip(*texts, strict=True)]
    limits: dict[str, Any] = {}
    if cap is not None:
        limits = {"truncation": "longest_first", "max_length": cap}
    read = tokenizer(*columns, return_attention_mask=False, verbose=False, **limits)
    return {key: read[key] for key in ("input_ids", "token_type_ids") if key in read}
