"""Metrics of tagged sequences: F1 over entities, and accuracy over tokens.

An entity is a span of tokens with a type. It is found if a prediction has the same first token, last
token and type (CoNLL 2003; Tjong Kim Sang and De Meulder 2003, aclanthology.org/W03-0419). Tags are read
as seqeval's default mode reads them: ``I-`` without an open span of its type begins one, and ``B-``,
``I-``, ``E-`` and ``S-`` may be mixed. ``L-`` and ``U-`` (BILOU), ``M-`` (BMES) and ``W-`` mean ``E-``,
``S-``, ``I-`` and ``S-``.

A tagged sequence is scored from five counts, so that sums over sequences give the scores of all. A sixth
column, if there is one, holds the negative log-likelihood of its right tags in nats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from whichpeft.metrics.metric import Array, Floats

FOUND, PREDICTED, TRUE, RIGHT, TOKENS, NATS = range(6)
"""Columns of the counts: entities found, predicted and true; tokens right, and all tokens; the loss."""

PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I", "W": "S"}
"""What a tag may begin with, and the prefix that means the same in IOBES."""

OUTSIDE = "O"
"""The tag of a token outside of all entities."""

Entity = tuple[str, int, int]


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """Yield the type, first token and last token of each entity of one sequence.

    A tag is ``O``, or a type after one of `PREFIXES` and a dash; a tag without one of them is a type
    whose neighbours of the same type belong to the same entity.
    """
    kind, begin = "", 0
    before = OUTSIDE
    for place, tag in enumerate((*tags, OUTSIDE)):
        prefix, own = _split(tag)
        last, open_kind = _split(before)
        if kind and (tag == OUTSIDE or prefix in "BS" or own != open_kind or last in "ES"):
            yield kind, begin, place - 1
            kind = ""
        if tag != OUTSIDE and not kind:
            kind, begin = own, place
        before = tag


def counts(true: Sequence[str], predicted: Sequence[str]) -> Array:
    """Count what the metrics of one sequence need, in the order of the constants above."""
    wanted, found = set(entities(true)), set(entities(predicted))
    right = sum(one == other for one, other in zip(true, predicted, strict=True))
    return np.array([len(wanted & found), len(found), len(wanted), right, len(true)], dtype=np.float64)


def entity_f1(counted: Array) -> Floats:
    """Return the harmonic mean of precision and recall of entities, from counts of shape (..., 5 or 6).

    It is 0 if there are no entities, neither true nor predicted ones.
    """
    both = np.asarray(counted[..., PREDICTED] + counted[..., TRUE], dtype=np.float64)
    score: Floats = np.zeros(both.shape)
    np.divide(2 * counted[..., FOUND], both, out=score, where=both > 0)
    return score


def token_accuracy(counted: Array) -> Floats:
    """Return the share of tokens whose tag is right, from counts of shape (..., 5 or 6)."""
    score: Floats = counted[..., RIGHT] / np.maximum(counted[..., TOKENS], 1)
    return score


def _split(tag: str) -> tuple[str, str]:
    """Return a tag's prefix and type; the prefix is ``I`` if the tag has none."""
    prefix, dash, kind = tag.partition("-")
    return (PREFIXES[prefix], kind) if dash and prefix in PREFIXES else ("I", tag)
