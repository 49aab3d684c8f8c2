"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for their number, in the same order (Holm 1979).

    Rejecting what is below 0.05 then keeps the chance of any false rejection below 0.05, however
    the tests depend on each other. An unknown p-value stays unknown and does not count.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        # A larger p-value is never rejected before a smaller one.
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted
