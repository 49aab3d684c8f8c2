"""Text that is safe to show, whatever the records contain."""

from __future__ import annotations

import unicodedata

from whichpeft.analysis import Comparison, MethodResult

UNKNOWN = "\N{EN DASH}"


def plain(text: object) -> str:
    """Return text on one line, without control characters that could steer a terminal."""
    text = str(text)
    if text.isascii() and text.isprintable():  # nearly all text: nothing to remove
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(kept.split())


def named(result: MethodResult) -> str:
    """Return a row's method as written by the user, marked if its hyperparameters are tuned."""
    return plain(result.method) + (" (tuned)" if result.variant == "tuned" else "")


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
