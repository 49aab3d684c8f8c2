"""Text that is safe to show, whatever the records contain."""

from __future__ import annotations

import unicodedata

from whichpeft.analysis import Comparison, Interval, MethodResult
from whichpeft.units import points

UNKNOWN = "\N{EN DASH}"
_UNEVEN = 0.0005  # bounds that differ by less in their distance look alike


def plain(text: object) -> str:
    """Return text on one line, without control characters that could steer a terminal."""
    text = str(text)
    if text.isascii() and text.isprintable():  # nearly all text: nothing to remove
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(kept.split())


def named(result: MethodResult) -> str:
    """Return a result's method as written by the user, marked if its hyperparameters are tuned."""
    return plain(result.method) + (" (tuned)" if result.variant == "tuned" else "")


def with_interval(interval: Interval, *, sign: bool = False) -> str:
    """Format a mean in points with half the width of its interval: ``87.1 ± 0.9``.

    If the interval ends where the metric does, its bounds are given: ``98.2 [94.9, 100.0]``.
    """
    mean, low, high = interval
    if mean is None:
        return UNKNOWN
    text = f"{points(mean):+.1f}" if sign else f"{points(mean):.1f}"
    if low is None or high is None:
        return text
    if abs((high - mean) - (mean - low)) > _UNEVEN:
        return with_bounds(interval, sign=sign)
    return f"{text} ± {points(high - mean):.1f}"


def with_bounds(interval: Interval, *, sign: bool = False) -> str:
    """Format a mean in points with its interval: ``87.1 [86.2, 88.0]``."""
    mean, low, high = interval
    if mean is None:
        return UNKNOWN
    plus = "+" if sign else ""
    text = f"{points(mean):{plus}.1f}"
    if low is None or high is None:
        return text
    return f"{text} [{points(low):{plus}.1f}, {points(high):{plus}.1f}]"


def tuned_note(comparison: Comparison) -> str:
    """Explain which hyperparameters a figure shows for methods that were tuned."""
    if not comparison.searches:
        return ""
    rest = [
        plain(result.method)
        for result in comparison.answers
        if result.variant != "tuned" and result.score_mean is not None
    ]
    return f" Hyperparameters: tuned{'; defaults for ' if rest else ''}{', '.join(rest)}."
