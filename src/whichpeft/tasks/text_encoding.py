"""Texts as a backbone reads them: token ids in one flat array, padded batch by batch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.backbones.folder import VOCABULARIES
from whichpeft.errors import BackboneError, DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.end_pooling import end_token
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.ragged import take_rows
from whichpeft.tasks.special_strings import SpecialStrings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from whichpeft.backbones import Backbone

LONGEST = 512
"""Most tokens of an input."""
Tokenised = Mapping[str, list[list[int]]]
_CHUNK = 2000
_LONGEST_WORDS = 9.0  # mean characters of a word and its space; 6 in English, 8.5 in Finnish


@dataclass(frozen=True, slots=True, eq=False)
class TextExamples:
    """One split in tokens."""

    ids: Array
    """Token ids of all examples; example i is ``ids[offsets[i]:offsets[i + 1]]``."""
    offsets: Array
    """Start of each example in `ids`, and the end of the last; shape (n + 1,)."""
    types: Array | None
    """Token types, aligned with `ids`; None if tokenizer or model do not tell texts apart so."""
    labels: Array
    """Class numbers or values."""
    pad: int
    """Token id that fills a batch."""
    uncut: Array
    """Tokens of each example before it was cut to the length cap."""
    cap: int
    """Most tokens of an example."""
    alike: int = 0
    """Number of examples that are equal to another one only since both were cut."""
    as_text: int = 0
    """Number of examples with special strings of the tokenizer, which are read as text."""
    special_strings: tuple[str, ...] = ()
    """Those strings."""
    pads_left: bool = False
    """Whether padding precedes a text, for a classifier that reads the last column (XLNet)."""
    unknown: int = 0
    """Number of tokens that stand for words or characters that the tokenizer does not know."""
    words: int = 0
    """Number of words; 0 if the texts do not separate them by spaces, as Chinese does."""
    pieces: int = 0
    """Number of tokens without those that begin and end a text, before texts were cut."""
    lacks_start: str = ""
    """The token that classifiers read, if the tokenizer has one but does not put it before a text."""
    residues: Array | None = None
    """Residues of each example, if the inputs are proteins; `uncut` and `cap` then count them too."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Array:
        return np.diff(self.offsets)

    @property
    def tokens(self) -> Array | None:
        return np.diff(self.offsets) if self.residues is None else None

    @property
    def truncated(self) -> float:
        """Share of the examples that were cut to the length cap."""
        return float(np.mean(self.uncut > self.cap))

    def take(self, indices: Array) -> TextExamples:
        """Return some examples of the split, in the given order."""
        ids, offsets = take_rows(self.ids, self.offsets, indices)
        return replace(
            self,
            ids=ids,
            offsets=offsets,
            types=None if self.types is None else take_rows(self.types, self.offsets, indices)[0],
            labels=self.labels[indices],
            uncut=self.uncut[indices],
            residues=None if self.residues is None else self.residues[indices],
        )

    def batch(self, indices: Array) -> Batch:
        """Return input_ids, attention_mask, token_type_ids (if the tokenizer has them) and labels."""
        import torch

        chosen = np.asarray(indices)
        starts = self.offsets[chosen]
        lengths = self.offsets[chosen + 1] - starts
        longest = int(lengths.max())
        before = longest - lengths[:, None] if self.pads_left else 0
        places = np.arange(longest) - before
        mask = (places >= 0) & (places < lengths[:, None])
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
    texts: Sequence[tuple[str, ...]],
    labels: Array,
    tokenizer: PreTrainedTokenizerBase,
    backbone: Backbone,
    location: str = "",
) -> TextExamples:
    """Tokenise texts and cut those over the length cap; pairs lose tokens of their longer text.

    Strings such as ``</s>`` in a text are read as text. Raises DataError, which begins with `location`,
    if the tokenizer cannot do so.
    """
    cap = length_cap(backbone, tokenizer)
    special = SpecialStrings(tokenizer)
    typed = tells_types_apart(backbone)
    (usual,) = special.count(_tokenise(tokenizer, [("",) * len(texts[0])])["input_ids"])
    pad = pad_id(backbone, tokenizer)
    # Some tokenizers of decoders return no token for an empty text, but a model needs at least one.
    empty = next(
        (i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id, pad) if i is not None), pad
    )
    ids: list[Array] = []
    types: list[Array] = []
    lengths: list[int] = []
    uncut: list[int] = []
    strings: set[str] = set()
    as_text = 0
    cut_from: dict[bytes, set[tuple[str, ...]]] = {}
    for start in range(0, len(texts), _CHUNK):
        some = texts[start : start + _CHUNK]
        read = _tokenise(tokenizer, some)
        odd = np.flatnonzero(special.count(read["input_ids"]) > usual).tolist()
        if odd:
            _put(read, odd, special.read([some[i] for i in odd]))
            for i in np.flatnonzero(special.count(read["input_ids"]) > usual).tolist():
                raise _cannot_read(some[i], special, f"{location}: example {start + i}")
            strings |= special.found_in(text for i in odd for text in some[i])
            as_text += len(odd)
        uncut += map(len, read["input_ids"])
        long = [i for i, tokens in enumerate(read["input_ids"]) if len(tokens) > cap]
        if long:
            _put(read, long, _tokenise(tokenizer, [some[i] for i in long], cap))
            both = [i for i in long if i in set(odd)]
            if both:
                _put(read, both, special.read([some[i] for i in both], cap=cap))
            for i in long:
                cut_from.setdefault(np.array(read["input_ids"][i]).tobytes(), set()).add(some[i])
        for i, tokens in enumerate(read["input_ids"]):
            ids.append(np.array(tokens or [empty], dtype=np.int32))
            lengths.append(len(ids[-1]))
            if "token_type_ids" in read and typed:
                types.append(np.array(read["token_type_ids"][i] or [0], dtype=np.int8))
    flat = np.concatenate(ids)
    return TextExamples(
        ids=flat,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        types=np.concatenate(types) if types else None,
        labels=labels,
        pad=pad,
        uncut=np.array(uncut, dtype=np.int32),
        cap=cap,
        alike=sum(len(different) for different in cut_from.values() if len(different) > 1),
        as_text=as_text,
        special_strings=tuple(sorted(strings)),
        pads_left=backbone.family == "xlnet",
        unknown=count_unknown(flat, tokenizer),
        words=_count_words(texts),
        pieces=max(0, sum(uncut) - int(usual) * len(texts)),
        lacks_start="" if usual else str(tokenizer.cls_token or ""),
    )


def _count_words(texts: Sequence[tuple[str, ...]]) -> int:
    """Count words; return 0 if they are so long that spaces do not separate them."""
    words = sum(len(text.split()) for parts in texts for text in parts)
    characters = sum(len(text) for parts in texts for text in parts)
    return words if characters <= _LONGEST_WORDS * words else 0


def count_unknown(ids: Array, tokenizer: PreTrainedTokenizerBase) -> int:
    """Count the tokens for what the tokenizer does not know; none if they also begin, end or pad."""
    token = tokenizer.unk_token_id
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return 0 if token is None or token in others else int(np.count_nonzero(ids == token))


def length_cap(backbone: Backbone, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the most tokens that an input may have with this backbone.

    The cap is the same for every method and study. A backbone with few positions keeps half of them for
    the input.
    """
    cap = min(LONGEST, int(min(tokenizer.model_max_length, LONGEST)))
    return cap if backbone.input_positions is None else min(cap, backbone.input_positions)


def pad_id(backbone: Backbone, tokenizer: PreTrainedTokenizerBase | None = None) -> int:
    """Return the padding id: the model's, else its tokenizer's, else the end of text (GPT-2, Llama).

    The model's id comes first because a decoder's classifier uses it to find the last token.
    """
    config = backbone.architecture().get_text_config()
    size = vocabulary_size(backbone)

    def known(token: object) -> bool:
        return isinstance(token, int) and token >= 0 and (size is None or token < size)

    own: int | None = getattr(config, "pad_token_id", None)
    if own is not None and known(own):
        return own
    tokenizer = tokenizer or load_tokenizer(backbone)
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if known(token):
            return int(token)
    raise BackboneError(
        f"backbone {backbone.name!r}: neither its configuration nor its tokenizer names a padding or "
        "end-of-text token; set pad_token_id in its config.json"
    )


def vocabulary_size(backbone: Backbone) -> int | None:
    """Return the number of tokens that the model knows, or None if it hashes characters (CANINE)."""
    found: object = getattr(backbone.architecture().get_text_config(), "vocab_size", None)
    return found if isinstance(found, int) and found > 0 else None


def made_up_ids(backbone: Backbone, size: int, length: int) -> torch.Tensor:
    """Return ids of texts without content, on the device of the caller's context: (size, length).

    They hold no padding, and end in the token that ends a text for the model, as classifiers of
    encoder-decoders need.
    """
    import torch

    config = backbone.architecture().get_text_config()
    end, pad = end_token(backbone), getattr(config, "pad_token_id", None)
    usual = next(number for number in (1, 0, 2) if number not in (end, pad))
    ids = torch.full((size, length), usual, dtype=torch.int64)
    if end is not None and 0 <= end < (vocabulary_size(backbone) or 0):
        ids[:, -1] = end
    return ids


def load_tokenizer(backbone: Backbone) -> PreTrainedTokenizerBase:
    """Load the tokenizer that is stored next to the weights. Raises BackboneError if it is missing."""
    from transformers import AutoTokenizer

    folder = backbone.files
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, use_fast=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises errors of no type of their own
        raise _no_tokenizer(backbone, " ".join(str(error).split())[:200]) from None
    # Without its files transformers silently creates a tokenizer with an empty vocabulary. Those of
    # CANINE, ByT5 and Perceiver read characters or bytes and have no files: only a configuration.
    reads_files = bool(getattr(type(tokenizer), "vocab_files_names", True))
    wanted = VOCABULARIES if reads_files else ("tokenizer_config.json",)
    if not any(any(folder.glob(name)) for name in wanted):
        what = "tokenizer.json or vocabulary" if reads_files else "tokenizer_config.json"
        raise _no_tokenizer(backbone, f"no {what} found")
    if reads_files and len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise _no_tokenizer(
            backbone, f"{type(tokenizer).__name__} finds no vocabulary there and would read no text"
        )
    return tokenizer


def _no_tokenizer(backbone: Backbone, reason: str) -> BackboneError:
    return BackboneError(
        f"backbone {backbone.name!r}: cannot load a tokenizer from {backbone.folder} ({reason}); "
        "save one there with tokenizer.save_pretrained()"
    )


def tells_types_apart(backbone: Backbone) -> bool:
    """Whether this architecture reads token types and has more than one of them."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    config = backbone.architecture()
    if getattr(config, "type_vocab_size", None) == 1:
        return False
    try:
        model = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    except KeyError:
        return True
    return "token_type_ids" in inspect.signature(model.forward).parameters


def _put(read: dict[str, list[list[int]]], places: Sequence[int], found: Tokenised) -> None:
    """Replace the tokens at some places."""
    for key in read:
        for i, tokens in zip(places, found[key], strict=True):
            read[key][i] = tokens


def _cannot_read(text: tuple[str, ...], special: SpecialStrings, location: str) -> DataError:
    found = ", ".join(sorted(special.found_in(text))) or "a special token"
    return DataError(
        f"{location} ({text[0][:40]!r}) contains {found}, which this backbone's tokenizer cannot read "
        "as text; remove it"
    )


def _tokenise(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, ...]], cap: int | None = None
) -> dict[str, list[list[int]]]:
    columns = [list(column) for column in zip(*texts, strict=True)]
    limits: dict[str, object] = {}
    if cap is not None:
        limits = {"truncation": "longest_first", "max_length": cap}
    read = tokenizer(*columns, return_attention_mask=False, verbose=False, **limits)
    return {key: read[key] for key in ("input_ids", "token_type_ids") if key in read}
