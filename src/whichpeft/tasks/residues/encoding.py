"""Sequences as a backbone reads them: one token per residue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from whichpeft.errors import BackboneError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.residues.alphabet import RARE, RESIDUES
from whichpeft.tasks.text_encoding import TextExamples, pad_id, tells_types_apart

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from whichpeft.backbones import Backbone

LONGEST_SEQUENCE = 1024
"""Most tokens of an input; nine of ten proteins are shorter."""
Spelling = Literal["joined", "spaced", "listed"]
"""What a tokenizer takes as a sequence: ``MKT``, ``M K T`` or ``["M", "K", "T"]``."""
_AS_ANY = "BOUZ"
"""Residues that ProtBert, ProtT5 and their kin, which want spaces, learned as X."""


@dataclass(frozen=True, slots=True)
class ResidueReader:
    """How a tokenizer reads residues: the token of each, and those around sequences."""

    spelling: Spelling
    """What the tokenizer takes as a sequence."""
    ids: dict[str, int]
    """The token of each residue."""
    around: tuple[tuple[int, ...], ...]
    """The tokens before, between and after the sequences of an example."""
    types: tuple[int, ...]
    """The token type of each sequence and of what follows it."""
    cap: int
    """Most tokens of an example."""

    @property
    def enclosing(self) -> int:
        """Tokens of an example that are no residues."""
        return sum(map(len, self.around))

    @property
    def room(self) -> int:
        """Most residues of an example."""
        return self.cap - self.enclosing

    def kept(self, sequences: Sequence[str]) -> list[int]:
        """Return how many residues of each sequence are read: all, or fewer of the longer one."""
        lengths = list(map(len, sequences))
        over = sum(lengths) - self.room
        while over > 0:
            place = lengths.index(max(lengths))
            others = [length for i, length in enumerate(lengths) if i != place]
            cut = min(over, lengths[place] - max(others, default=0)) or (over + 1) // 2
            lengths[place] -= cut
            over -= cut
        return lengths

    def read(self, sequences: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return the tokens of an example, cut to the cap, and their types."""
        first, *following = self.around
        tokens, types = list(first), [self.types[0]] * len(first)
        whole = zip(sequences, self.kept(sequences), following, self.types, strict=True)
        for sequence, length, after, kind in whole:
            tokens += [self.ids[residue] for residue in sequence[:length]] + list(after)
            types += [kind] * (length + len(after))
        return tokens, types


def residue_reader(
    tokenizer: PreTrainedTokenizerBase, backbone: Backbone, *, sequences: int = 1
) -> ResidueReader:
    """Find out how a tokenizer reads residues, by trying.

    ESM's reads ``MKT``, those of ProtBert and ProtT5 want ``M K T``, and others a list.

    Parameters
    ----------
    tokenizer
        The backbone's tokenizer.
    backbone
        The backbone.
    sequences
        Number of sequences of an example.

    Raises
    ------
    BackboneError
        If the tokenizer has no token of its own for each residue.
    """
    for spelling in get_args(Spelling):
        found = _found(tokenizer, spelling, sequences)
        if found is not None:
            ids, around, types = found
            return ResidueReader(
                spelling=spelling,
                ids=ids,
                around=around,
                types=types,
                cap=int(
                    min(
                        tokenizer.model_max_length,
                        LONGEST_SEQUENCE,
                        backbone.residue_positions or LONGEST_SEQUENCE,
                    )
                ),
            )
    raise BackboneError(
        f"backbone {backbone.name!r}: its tokenizer has no token for each residue of a protein; name a "
        "protein model with --backbone, such as facebook/esm2_t6_8M_UR50D, or sapiens-vh for antibodies"
    )


def encode_sequences(
    sequences: Sequence[tuple[str, ...]],
    labels: Array,
    tokenizer: PreTrainedTokenizerBase,
    backbone: Backbone,
) -> TextExamples:
    """Read sequences, or pairs of them, and cut those over the length cap."""
    reader = residue_reader(tokenizer, backbone, sequences=len(sequences[0]))
    read = [reader.read(parts) for parts in sequences]
    lengths = np.array([len(tokens) for tokens, _ in read])
    typed = tells_types_apart(backbone) and "token_type_ids" in tokenizer.model_input_names
    return TextExamples(
        ids=np.concatenate([np.array(tokens, dtype=np.int32) for tokens, _ in read]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        types=np.concatenate([np.array(types, dtype=np.int8) for _, types in read]) if typed else None,
        labels=labels,
        pad=pad_id(backbone, tokenizer),
        uncut=np.array([sum(map(len, parts)) for parts in sequences], dtype=np.int32),
        cap=reader.room,
        pads_left=backbone.family == "xlnet",
        residues=(lengths - reader.enclosing).astype(np.int32),
    )


_Found = tuple[dict[str, int], tuple[tuple[int, ...], ...], tuple[int, ...]]


def _found(tokenizer: PreTrainedTokenizerBase, spelling: Spelling, sequences: int) -> _Found | None:
    """Return tokens of residues and around sequences, if this spelling gives one per residue."""
    spelt: Mapping[Spelling, Callable[[str], Any]]
    spelt = {"joined": str, "spaced": " ".join, "listed": list}
    listed = spelling == "listed"

    def read(*texts: str, enclosed: bool = True) -> tuple[list[int], list[int]]:
        found = tokenizer(
            *map(spelt[spelling], texts),
            add_special_tokens=enclosed,
            is_split_into_words=listed,
            return_token_type_ids=True,
            verbose=False,
        )
        ids = list(found["input_ids"])
        return ids, list(found.get("token_type_ids") or [0] * len(ids))

    unknown = tokenizer.unk_token_id
    if listed:
        # A tokenizer of longer pieces reads single letters too, but not as it learned them.
        pieces = tokenizer(RESIDUES * 2, add_special_tokens=False, verbose=False)["input_ids"]
        if len(pieces) < 2 * len(RESIDUES) and unknown not in pieces:
            return None
    # The first letter of a text may have another token than those that follow.
    plain, _ = read(RESIDUES * 2, enclosed=False)
    own = plain[len(RESIDUES) :]
    if len(plain) != 2 * len(RESIDUES) or len(set(own)) < len(RESIDUES) or unknown in own:
        return None
    ids = dict(zip(RESIDUES, own, strict=True))
    for letter in ("X", *RARE):
        if letter in _AS_ANY and spelling == "spaced":
            ids[letter] = ids["X"]
            continue
        more, _ = read(RESIDUES + letter, enclosed=False)
        if len(more) == len(RESIDUES) + 1 and more[-1] != unknown:
            ids[letter] = more[-1]
        else:
            ids[letter] = ids.get("X", ids["G"] if unknown is None else unknown)
    tokens, kinds = read(*[RESIDUES] * sequences)
    around, types, place = [], [], 0
    for _ in range(sequences):
        places = range(place, len(tokens))
        begin = next((i for i in places if tokens[i + 1 : i + len(RESIDUES)] == own[1:]), None)
        if begin is None:
            return None
        around.append(tuple(tokens[place:begin]))
        types.append(kinds[begin])
        place = begin + len(RESIDUES)
    around.append(tuple(tokens[place:]))
    return ids, tuple(around), tuple(types)
