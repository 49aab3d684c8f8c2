"""Finds inputs that occur in more than one split, or in train with different labels."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from whichpeft.tasks.splits import Input


def leaked_rows(inputs: Mapping[str, Sequence[Input]]) -> dict[str, int]:
    """Return how many examples of validation and of test have an input that is also in train.

    Inputs are compared without regard to case, spaces and the form of their accents.

    Parameters
    ----------
    inputs
        The inputs of ``train``, ``validation`` and ``test``.
    """
    trained = set(map(_folded, inputs["train"]))
    return {
        split: sum(_folded(read) in trained for read in inputs[split])
        for split in ("validation", "test")
    }


def _folded(read: Input) -> Input:
    return tuple(" ".join(unicodedata.normalize("NFC", part).casefold().split()) for part in read)
