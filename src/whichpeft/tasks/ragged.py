"""Rows of unequal length in one flat array: row i is ``flat[offsets[i]:offsets[i + 1]]``."""

from __future__ import annotations

import numpy as np

from whichpeft.metrics.metric import Array


def take_rows(flat: Array, offsets: Array, rows: Array) -> tuple[Array, Array]:
    """Return the flat array and the offsets of some rows, in the given order."""
    lengths = offsets[rows + 1] - offsets[rows]
    found = np.concatenate([[0], np.cumsum(lengths)]).astype(offsets.dtype)
    places = np.repeat(offsets[rows] - found[:-1], lengths) + np.arange(found[-1])
    return flat[places], found
