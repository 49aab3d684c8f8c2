"""Text that is safe to show, whatever the records say."""

from __future__ import annotations

import unicodedata

from whichpeft.analysis import Comparison, Row

UNKNOWN = "\N{EN DASH}"


def plain(text: object) -> str:
    """Return text on one line, without control characters that could steer a terminal."""
    text = str(text)
    if text.isascii() and text.isprintable():  # nearly all text: nothing to look for
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(kept.split())


def named(row: Row) -> str:
    """Return a row's method as typed, and whether it stands there as tuned."""
    return plain(row["method"]) + (" (tuned)" if row["variant"] == "tuned" else "")


def tuned_note(comparison: Comparison) -> str:
    """Say with which hyperparameters a method stands where it has rows for more than one."""
    if not comparison.searches:
        return ""
    rest = [
        plain(row["method"])
        for row in comparison.answers
        if row["variant"] != "tuned" and row["score_mean"] is not None
    ]
    return f" Methods as tuned{'; by default ' if rest else ''}{', '.join(rest)}."
