"""Tagged sentences as a backbone reads them: tokens, and the place of each word's first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.protocol import Batch
from whichpeft.tasks.ragged import take_rows
from whichpeft.tasks.residues.encoding import encode_sequences, residue_reader
from whichpeft.tasks.special_strings import SpecialStrings
from whichpeft.tasks.text_encoding import (
    TextExamples,
    count_unknown,
    length_cap,
    pad_id,
    tells_types_apart,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from whichpeft.backbones import Backbone

IGNORED = -100
"""The target of tokens that are not the first of a word."""

CUT = -1
"""The place of a word that is beyond the length cap."""


def _none() -> Array:
    return np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class TaggedExamples(TextExamples):
    """One split in tokens, with a tag per word. Its labels are the numbers of words."""

    places: Array = field(default_factory=_none)
    """Place of each word's first token in its example, or `CUT`; words of all examples in a row."""
    tags: Array = field(default_factory=_none)
    """Number of each word's tag, aligned with `places`."""
    longest: int = 0
    """Words of the longest example of the whole split."""

    @property
    def weights(self) -> Array:
        """Weight of each example in the loss of a batch: the number of words that are read."""
        read = np.add.reduceat(self.places != CUT, self.word_offsets[:-1])
        counts: Array = np.maximum(read, 1)
        return counts

    @property
    def word_offsets(self) -> Array:
        """Start of each example in `places`, and the end of the last; shape (n + 1,)."""
        offsets: Array = np.concatenate([[0], np.cumsum(self.labels)])
        return offsets

    def take(self, indices: Array) -> TaggedExamples:
        """Return some examples of the split, in the given order."""
        places, _ = take_rows(self.places, self.word_offsets, indices)
        tags, _ = take_rows(self.tags, self.word_offsets, indices)
        taken = TextExamples.take(self, indices)
        assert isinstance(taken, TaggedExamples)
        return replace(taken, places=places, tags=tags)

    def batch(self, indices: Array) -> Batch:
        """Return what `TextExamples` does, with ``labels`` per token and ``words`` per example.

        ``labels`` has shape (size, tokens), and ``words`` has shape (size, `longest`): the place of each
        word's first token, or `CUT`.
        """
        import torch

        batch = TextExamples.batch(self, indices)
        labels = np.full(tuple(batch["input_ids"].shape), IGNORED, dtype=np.int64)
        words = np.full((len(indices), self.longest), CUT, dtype=np.int64)
        offsets = self.word_offsets
        for row, index in enumerate(np.asarray(indices)):
            own = slice(offsets[index], offsets[index + 1])
            places, tags = self.places[own], self.tags[own]
            words[row, : len(places)] = places
            labels[row, places[places != CUT]] = tags[places != CUT]
        batch["labels"] = torch.from_numpy(labels)
        batch["words"] = torch.from_numpy(words)
        return batch


def encode_sentences(
    sentences: Sequence[tuple[str, ...]],
    tags: Sequence[Array],
    tokenizer: PreTrainedTokenizerBase,
    backbone: Backbone,
    location: str,
) -> TaggedExamples:
    """Tokenise sentences of words, joined by blanks, and find each word's first token.

    Raises DataError, which begins with `location`, if a word is a special string of the tokenizer.
    """
    special = SpecialStrings(tokenizer)
    for number, words in enumerate(sentences):
        if found := special.found_in(words):
            raise DataError(
                f"{location}: example {number} contains {', '.join(sorted(found))}, which this "
                "backbone's tokenizer cannot read as a word; remove it"
            )
    cap = length_cap(backbone, tokenizer)
    read = [_read(words, tokenizer, cap) for words in sentences]
    lengths = [len(one.ids) for one in read]
    counts = np.array([len(words) for words in sentences], dtype=np.int64)
    flat = np.concatenate([one.ids for one in read])
    return TaggedExamples(
        ids=flat,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        types=np.zeros(len(flat), dtype=np.int8) if tells_types_apart(backbone) else None,
        labels=counts,
        pad=pad_id(backbone, tokenizer),
        uncut=np.array([one.uncut for one in read], dtype=np.int32),
        cap=cap,
        unknown=count_unknown(flat, tokenizer),
        places=np.concatenate([one.places for one in read]),
        tags=np.concatenate([np.asarray(one, dtype=np.int32) for one in tags]),
        longest=int(counts.max()),
    )


def encode_residues(
    proteins: Sequence[tuple[str, ...]],
    tags: Sequence[Array],
    tokenizer: PreTrainedTokenizerBase,
    backbone: Backbone,
) -> TaggedExamples:
    """Read proteins with a token, and so a place, per residue."""
    counts = np.array([len(residues) for residues in proteins], dtype=np.int64)
    found = encode_sequences([("".join(one),) for one in proteins], counts, tokenizer, backbone)
    first = len(residue_reader(tokenizer, backbone).around[0])
    assert found.residues is not None
    places = np.concatenate(
        [
            np.where(np.arange(count) < read, np.arange(count) + first, CUT)
            for count, read in zip(counts, found.residues, strict=True)
        ]
    )
    return TaggedExamples(
        **{one.name: getattr(found, one.name) for one in fields(TextExamples)},
        places=places.astype(np.int32),
        tags=np.concatenate([np.asarray(one, dtype=np.int32) for one in tags]),
        longest=int(counts.max()),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    ids: Array
    places: Array
    uncut: int


def _read(words: Sequence[str], tokenizer: PreTrainedTokenizerBase, cap: int) -> _Read:
    """Tokenise one sentence, cut to `cap` tokens."""
    ids, starts = _with_offsets(words, tokenizer) if tokenizer.is_fast else _by_word(words, tokenizer)
    uncut = len(ids)
    if uncut > cap:
        # The tokens that end a text stay, as when a tokenizer cuts it.
        closing = _closing(ids, tokenizer)
        kept = cap - closing
        ids = ids[:kept] + ids[uncut - closing :]
        starts = [start if start < kept else CUT for start in starts]
    return _Read(np.array(ids, dtype=np.int32), np.array(starts, dtype=np.int32), uncut)


def _with_offsets(
    words: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Return the tokens of a sentence and the place of each word's first one, by their characters."""
    ends = np.cumsum([len(word) + 1 for word in words])  # with the blank after each
    read = tokenizer(
        " ".join(words), return_offsets_mapping=True, return_attention_mask=False, verbose=False
    )
    starts = [CUT] * len(words)
    for place, (begin, end) in enumerate(read["offset_mapping"]):
        if end > begin:  # special tokens stand for no characters
            # Some tokenizers count the blank before a word as a part of its first token.
            word = int(np.searchsorted(ends, end - 1, side="right"))
            if word < len(words) and starts[word] == CUT:
                starts[word] = place
    return list(read["input_ids"]), starts


def _by_word(words: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the same for a tokenizer that does not count characters, word by word."""
    pieces = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    whole = tokenizer.encode(" ".join(words))
    inside = [piece for own in pieces for piece in own]
    before = next(
        (at for at in range(len(whole) - len(inside) + 1) if whole[at : at + len(inside)] == inside), 0
    )
    starts, place = [], before
    for own in pieces:
        starts.append(place if own else CUT)
        place += len(own)
    return list(whole), starts


def _closing(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> int:
    """Count the special tokens at the end of a text."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    count = 0
    while count < len(ids) and ids[-1 - count] in special:
        count += 1
    return count
