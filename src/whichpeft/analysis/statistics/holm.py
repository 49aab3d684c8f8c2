"""Correction of p-values for several tests."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for the number of tests (Holm 1979).

    If hypotheses with adjusted p-values below 0.05 are rejected, the probability of any false
    rejection is below 0.05, however the tests depend on each other.

    Parameters
    ----------
    p_values
        The p-values; None if a test could not be done.

    Returns
    -------
    list of float or None
        The adjusted p-values in the same order. None stays None and does not count as a test.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        # A larger p-value is never rejected before a smaller one.
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted
