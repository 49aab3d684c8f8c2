"""Splits a text into words, for sentences that come without a list of them."""

from __future__ import annotations

import re

WORD = r"\w+(?:[-'.]\w+)*|[^\w\s]"
"""A word, with hyphens, apostrophes and dots inside it, or a single punctuation mark."""

_WORD = re.compile(WORD)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words and punctuation marks of a text, as CoNLL's data sets have them."""
    return tuple(_WORD.findall(text))
