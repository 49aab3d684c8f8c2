"""Verdicts in words: in the table, and in the notes beneath it."""

from __future__ import annotations

import math

from whichpeft.analysis import Comparison, Row
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.units import points


def verdict(row: Row) -> str:
    """Format a verdict, marked if its method was not tuned: ``worse, untuned``."""
    if row["verdict"] is None:
        return UNKNOWN
    return f"{row['verdict']}, untuned" if _untuned(row) else str(row["verdict"])


def proves(row: Row) -> str:
    """Format the smallest margin that is proved, in points: ``within 2.4``. Never rounded down."""
    margin = row["proved_margin"]
    return UNKNOWN if margin is None else f"within {math.ceil(10 * points(margin) - 1e-6) / 10:.1f}"


def verdict_notes(comparison: Comparison) -> list[str]:
    """Explain the verdicts, and their limits if nothing was tuned."""
    found = {row["verdict"] for row in comparison.rows} - {None, "baseline"}
    if not found:
        return []
    baseline, margin = plain(comparison.baseline), f"{points(comparison.margin):.3g}"
    meant = (
        f"verdicts: equivalent to {baseline} within {margin} points (two one-sided tests at 5 %), "
        "otherwise better or worse (5 % for all methods together, Holm), otherwise undecided"
    )
    notes = [f"{meant}; what would decide is computed for 80 % power" if comparison.decides else meant]
    tuned = any(row["variant"] == "tuned" for row in comparison.rows)
    if not tuned and any(map(_untuned, comparison.rows)):
        notes.append(
            "untuned: every method ran with its default hyperparameters; verdicts apply to these, and "
            "tuning every method equally (--tuning-trials) may change them"
        )
    return notes


def undecided(comparison: Comparison) -> list[tuple[str, str]]:
    """Return each undecided method with what would decide it."""
    return [
        (named(row), comparison.decides[key])
        for row in comparison.rows
        if (key := (row["method"], row["variant"])) in comparison.decides
    ]


def _untuned(row: Row) -> bool:
    """Whether a verdict rests on default hyperparameters; a method that trains nothing has none."""
    decided = row["verdict"] in ("equivalent", "better", "worse")
    return decided and row["variant"] == "default" and row["trainable_parameters"] != 0
