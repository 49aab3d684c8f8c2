"""How long a task's inputs are for a backbone, and how many are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whichpeft.metrics.metric import Array
from whichpeft.tasks.protocol import SPLITS, Examples
from whichpeft.units import counted, join_words

_MOST_UNKNOWN = 0.1  # emoji and rare names in ordinary texts stay below it


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """Lengths of the inputs of all splits together, before they are cut."""

    unit: str = "tokens"
    """What lengths count: ``tokens``, or ``residues`` of proteins."""

    median: int
    """The median, rounded."""
    p95: int
    """The length that 95 % of the inputs do not exceed."""
    longest: int
    """The largest length."""
    limit: int | None
    """The most that is read of an input; None if it is not known."""
    cut: int
    """Number of inputs that are cut to the limit."""
    count: int
    """Number of inputs."""
    pieces_per_word: float | None = None
    """Tokens per word, without those that begin and end an input; None if words are not separated."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the inputs were read, one sentence without a full stop each."""


def lengths_of(examples: Mapping[str, Examples]) -> Lengths | None:
    """Return the lengths of encoded splits, or None if their inputs have none.

    Examples of a plug-in need not know their lengths before they were cut; then the lengths afterwards
    count.
    """
    splits = [examples[name] for name in SPLITS if name in examples]
    found = [_uncut(split) for split in splits]
    sizes = np.concatenate([size for size in found if size is not None] or [np.empty(0)])
    if not len(sizes):
        return None
    return Lengths(
        unit="tokens" if getattr(splits[0], "residues", None) is None else "residues",
        median=round(float(np.median(sizes))),
        p95=int(np.quantile(sizes, 0.95, method="inverted_cdf")),
        longest=int(sizes.max()),
        limit=getattr(splits[0], "cap", None),
        cut=round(sum(split.truncated * len(split) for split in splits)),
        count=len(sizes),
        pieces_per_word=_pieces_per_word(splits),
        notes=tuple(_notes(splits)),
    )


def _pieces_per_word(splits: Sequence[Examples]) -> float | None:
    words = sum(getattr(split, "words", 0) for split in splits)
    return sum(getattr(split, "pieces", 0) for split in splits) / words if words else None


def _notes(splits: Sequence[Examples]) -> Iterator[str]:
    as_text, alike = (sum(getattr(split, key, 0) for split in splits) for key in ("as_text", "alike"))
    if as_text:
        strings = {string for split in splits for string in getattr(split, "special_strings", ())}
        yield (
            f"{counted(as_text, 'input')} {'contains' if as_text == 1 else 'contain'} "
            f"{join_words(sorted(strings), most=3)}, read as text, not as special tokens"
        )
    if alike:
        yield f"{counted(alike, 'input')} equal others after cutting: they differ beyond the limit only"
    yield from _unknown(splits)
    if start := getattr(splits[0], "lacks_start", ""):
        yield (
            f"the tokenizer puts no {start} before a text, so a classifier that reads the first token "
            "reads a word; add a post-processor to tokenizer.json if the model was pretrained with one"
        )


def _unknown(splits: Sequence[Examples]) -> Iterator[str]:
    """Say if the tokenizer does not know much of the texts: they are in another language or script."""
    unknown = sum(getattr(split, "unknown", 0) for split in splits)
    every = sum(len(getattr(split, "ids", ())) for split in splits)
    if unknown > _MOST_UNKNOWN * every:
        yield (
            f"{unknown / every:.0%} of the tokens stand for what the tokenizer does not know; give a "
            "backbone whose tokenizer was made for such texts"
        ).replace("%", " %", 1)


def _uncut(split: Examples) -> Array | None:
    found: Array | None = getattr(split, "uncut", split.tokens)
    return found
