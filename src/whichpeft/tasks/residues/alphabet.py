"""Recognises sequences of amino acids by their letters, and refuses what is none of them.

A sequence never goes through what texts go through: a tokenizer's special strings, the language of a
text, its words. So the decision is careful. Words in capitals, DNA, codes and secondary structures are
no proteins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from whichpeft.errors import DataError
from whichpeft.tasks.splits import Split

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
"""The twenty amino acids."""
RARE = "BJOUXZ"
"""Selenocysteine (U), pyrrolysine (O), either of two (B, J, Z), and any (X)."""

_LOOKED_AT = 2000
_LEAST_SHARE = 0.95  # capital letters of an English text reach 0.88, and random ones 0.77
_LONG = 20  # median length from which sequences of letters are no words
_SHORTEST, _FEWEST, _MOST_LETTERS = 5, 50, 18
"""Shorter ones are peptides if there are many different ones, which use nearly all amino acids."""
_LEAST_LETTERS = 10  # a code of eight secondary structures has fewer
_NUCLEOTIDES, _MOST_NUCLEOTIDES = "ACGTUN", 0.9
_SPACED = re.compile(r"\S([ \t]+\S)+\*?")
_BLANKS = re.compile(r"\s+")
_GAPS = "-.*"
_ALPHABET = frozenset(RESIDUES + RARE)


def are_residues(values: Iterable[object]) -> bool:
    """Whether values, of which empty ones do not count, are sequences of amino acids.

    Nearly all letters stand for one of the twenty amino acids, there are no blanks but between single
    letters, and sequences are long, or many and different.
    """
    found = [str(value).strip() for value in values if isinstance(value, str) and value.strip()]
    found = found[:_LOOKED_AT]
    plain = [_without_blanks(value) for value in found]
    if sum(" " in value for value in plain) > (1 - _LEAST_SHARE) * len(plain) or not plain:
        return False  # at once, for the usual texts
    lengths = sorted(map(len, plain))
    long = lengths[len(lengths) // 2] >= _LONG
    if not long and (lengths[len(lengths) // 2] < _SHORTEST or len(set(plain)) < _FEWEST):
        return False
    letters = Counter("".join(plain))
    for gap in _GAPS:
        del letters[gap]
    every = sum(letters.values())
    if long and sum(letters[letter.lower()] for letter in RESIDUES) > every / 2:
        letters = Counter("".join(plain).upper())
    known = sum(letters[letter] for letter in RESIDUES)
    different = sum(letters[letter] > 0 for letter in RESIDUES)
    return (
        every > 0
        and known >= _LEAST_SHARE * every
        and different >= (_LEAST_LETTERS if long else _MOST_LETTERS)
        and sum(letters[letter] for letter in _NUCLEOTIDES) < _MOST_NUCLEOTIDES * every
    )


def read_residues(text: str, place: str) -> str:
    """Return a sequence in capitals, without blanks and without the ``*`` at its end.

    Raises DataError, which begins with `place`, if anything in it is no residue.
    """
    sequence = _without_blanks(text.strip()).upper().removesuffix("*")
    odd = next((i for i, letter in enumerate(sequence) if letter not in _ALPHABET), None)
    if odd is None:
        return sequence
    what = "a gap; remove gaps" if sequence[odd] in "-." else "no residue; write X for an unknown one"
    raise DataError(
        f"{place}: {sequence[odd]!r} at position {odd + 1} of {_shown(sequence)} is {what}, or leave "
        "the row out"
    )


def with_residues_read(splits: Mapping[str, Split]) -> tuple[dict[str, Split], bool]:
    """Return splits by role, and whether their inputs are proteins, which are then spelt alike.

    Raises DataError, which names the example, if anything in a sequence is no residue.
    """
    inputs = splits["train"].inputs
    if not inputs or not all(map(are_residues, zip(*inputs, strict=True))):
        return dict(splits), False
    return {role: _read(split) for role, split in splits.items()}, True


def _read(split: Split) -> Split:
    inputs = tuple(
        tuple(read_residues(part, f"{split.location}: example {number}") for part in parts)
        for number, parts in enumerate(split.inputs)
    )
    return Split(inputs=inputs, labels=split.labels, location=split.location)


def _without_blanks(text: str) -> str:
    """Return a sequence without the blanks that stand between all its letters."""
    return _BLANKS.sub("", text) if _SPACED.fullmatch(text) else text


def _shown(sequence: str) -> str:
    return repr(sequence if len(sequence) <= 20 else f"{sequence[:17]}...")
