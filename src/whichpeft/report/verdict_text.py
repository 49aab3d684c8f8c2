"""Verdicts in words: in the table, and in the notes beneath it."""

from __future__ import annotations

import math

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.text import UNKNOWN, named, plain
from whichpeft.units import counted, join_words, points


def verdict(result: MethodResult) -> str:
    """Format a verdict, marked if its method was not tuned: ``worse, untuned``."""
    if result.verdict is None:
        return UNKNOWN
    return f"{result.verdict}, untuned" if _untuned(result) else str(result.verdict)


def decided(result: MethodResult) -> str:
    """Format the number of seeds that a verdict rests on: ``5 seeds``."""
    seeds = result.decided_with_seeds
    return UNKNOWN if seeds is None else counted(seeds, "seed")


def proves(result: MethodResult) -> str:
    """Format the smallest margin that is proved, in points: ``within 2.4``. Never rounded down."""
    margin = result.proved_margin
    return UNKNOWN if margin is None else f"within {math.ceil(10 * points(margin) - 1e-6) / 10:.1f}"


def verdict_notes(comparison: Comparison) -> list[str]:
    """Explain the verdicts, and their limits if nothing was tuned."""
    found = {result.verdict for result in comparison.results} - {None, "baseline"}
    if not found:
        return []
    baseline, margin = plain(comparison.baseline), f"{points(comparison.margin):.3g}"
    meant = (
        f"verdicts: equivalent to {baseline} within {margin} points (two one-sided tests at 5 %), "
        "otherwise better or worse (5 % for all methods together), otherwise undecided"
    )
    if any(result.verdict_low is not None for result in comparison.results):
        meant += (
            "; gaps have the intervals that verdicts rest on: 90 % if equivalent, otherwise wide enough "
            "for all methods together"
        )
    notes = [
        f"{meant}; the data that would decide are for 80 % power" if undecided(comparison) else meant
    ]
    if comparison.looks:
        seeds = join_words([str(count) for count in comparison.looks])
        notes.append(
            f"looks at {seeds} seeds share the 5 %; methods that are undecided get more seeds, if these "
            "could decide, and a verdict stays as it was first reached"
        )
    tuned = any(result.variant == "tuned" for result in comparison.results)
    if not tuned and any(map(_untuned, comparison.results)):
        notes.append(
            "untuned: every method ran with its default hyperparameters; verdicts apply to these, and "
            "tuning every method equally (--tuning-trials) may change them"
        )
    return notes


def undecided(comparison: Comparison) -> list[tuple[str, str]]:
    """Return each undecided method with what would decide it."""
    return [
        (named(result), result.would_decide)
        for result in comparison.results
        if result.would_decide is not None
    ]


def _untuned(result: MethodResult) -> bool:
    """Whether a verdict rests on default hyperparameters; a method that trains nothing has none."""
    decided = result.verdict in ("equivalent", "better", "worse")
    return decided and result.variant == "default" and not result.trains_nothing
