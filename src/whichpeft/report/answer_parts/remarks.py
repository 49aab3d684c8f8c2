"""What is undecided and what would change an answer, one sentence each."""

from __future__ import annotations

import math

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.what_if import changes
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.report.answer_parts.advice import baseline_of, named
from whichpeft.report.text import named as named_result
from whichpeft.report.verdict_text import proves, undecided
from whichpeft.units import join_words, points

_MOST_NAMED = 3


def remarks_of(answer: Answer, comparison: Comparison | None) -> list[str]:
    """Return the gap to the baseline, what is undecided, and what would change the answer."""
    if answer.chosen is None:
        return changes(answer) if answer.basis == "at chance" else []
    why_time = [] if answer.why_time is None else [answer.why_time]
    return [
        *_against_baseline(answer, comparison),
        *proof_of(answer),
        *_by_another_cost(answer),
        *why_time,
        *_undecided(comparison),
        *changes(answer),
    ]


def _against_baseline(answer: Answer, comparison: Comparison | None) -> list[str]:
    """Compare the chosen method with the baseline."""
    chosen, base = answer.chosen, baseline_of(answer)
    if chosen is None or base is None:
        return []
    if comparison is None:
        if base.gap.mean is None:
            return []
        _, low, high = base.gap
        turned = Interval(-base.gap.mean, None if high is None else -high, None if low is None else -low)
        return [f"{named(chosen)} has {_apart(turned)} than {named(base)}."]
    result = next(
        result
        for result in comparison.answers
        if (result.method, result.variant) == (chosen.method, chosen.variant)
    )
    if result.gap.mean is None:
        return []
    return [f"{named(chosen)} {_verdict(result, named(base))}."]


def _verdict(result: MethodResult, base: str) -> str:
    if result.verdict == "equivalent":
        return f"is equivalent to {base} {proves(result)} points"
    if result.verdict in ("better", "worse"):
        return f"is {result.verdict} than {base} by {_between(result.verdict_gap)}"
    doubt = "" if result.verdict_gap.low is None else ", undecided"
    return f"has {_apart(result.verdict_gap)} than {base}{doubt}"


def _between(gap: Interval) -> str:
    """Format the size of a gap and its interval without a sign: ``5.2 points (3.1 to 7.3)``."""
    mean, low, high = (None if value is None else points(value) for value in gap)
    if mean is None:
        return "an unknown number of points"
    sign = 1 if mean >= 0 else -1
    if low is None or high is None:
        return f"{abs(mean):.1f} points"
    ends = sorted((sign * low, sign * high))
    return f"{abs(mean):.1f} points ({ends[0]:.1f} to {ends[1]:.1f})"


def _apart(gap: Interval) -> str:
    """Format a gap with its sign as a word: ``1.2 points less (-3.1 to +0.7)``."""
    mean = gap.mean or 0.0
    text = f"{abs(points(mean)):.1f} points {'more' if mean >= 0 else 'less'}"
    if gap.low is None or gap.high is None:
        return text
    return f"{text} ({points(gap.low):+.1f} to {points(gap.high):+.1f})"


def why_of(answer: Answer) -> str | None:
    """Say why the baseline is chosen: nothing cheaper is proved; and which method comes closest."""
    chosen = answer.chosen
    if chosen is None or chosen.method != answer.baseline or len(answer.allowed) == 1:
        return None
    by, cost = answer.constraints.by, answer.constraints.cost
    less = "fewer" if by == "trainable" else "less"
    margin = f"{points(answer.constraints.margin):.1f}"
    kind = "finalist" if answer.of_race else "method"
    said = f"No {kind} with {less} {cost.words} is proved to be within {margin} points of the best"
    own = chosen.costs[by]
    cheaper = [
        c
        for c in answer.allowed
        if (value := c.costs[by]) is not None
        and own is not None
        and value < own
        and c.proved_margin is not None
    ]
    if not cheaper:
        return f"{said}."
    nearest = min(cheaper, key=lambda c: c.proved_margin or 0.0)
    facts = [f"{points(nearest.score.mean or 0.0):.1f} points", cost.show(nearest.costs[by] or 0.0)]
    within = math.ceil(1000 * (nearest.proved_margin or 0.0) - 1e-9) / 10  # never rounded down
    return f"{said}; {named(nearest)} ({', '.join(facts)}) is within {within:.1f}."


def proof_of(answer: Answer) -> list[str]:
    """Say what is proved of each method that the choice is compared with, if that is not the table.

    A table shows gaps to the baseline. If a limit excludes the baseline, none of them is in the proof.
    """
    chosen, evidence = answer.chosen, answer.evidence
    base = next((c for c in answer.candidates if c.method == answer.baseline), None)
    if chosen is None or chosen.place is None or evidence is None or not answer.within_margin:
        return []
    if base is None or base.allowed or base.rival:
        return []
    level = answer.level or LEVEL
    bounds = []
    for other in answer.competing:
        if other.place is None or other.place == chosen.place:
            continue
        low = evidence.gap(chosen.place, other.place, 1 - 2 * level).low
        if low is not None:
            bounds.append((max(0.0, -low), other))
    if not bounds:
        return []
    bounds.sort(key=lambda pair: -pair[0])
    each = join_words(
        (f"{named(other)} {math.ceil(1000 * most - 1e-9) / 10:.1f} points" for most, other in bounds),
        most=_MOST_NAMED,
    )
    return [
        f"In the proof, others are better by at most this much: {each}. The table compares with "
        f"{named(base)}, which is not allowed; its verdicts are not part of the proof."
    ]


def _by_another_cost(answer: Answer) -> list[str]:
    default = Constraints()
    if answer.constraints.by == default.by or default.by in answer.constraints.limits:
        return []
    if any(c.costs[default.by] is not None for c in answer.allowed):
        return []
    words = default.cost.words
    return [f"The {words} was not measured, so {answer.constraints.cost.words} are the cost compared."]


def _undecided(comparison: Comparison | None) -> list[str]:
    """Name the methods that are undecided against the baseline, with what would decide."""
    if comparison is None:
        return []
    shown = {named_result(result) for result in comparison.answers}
    found = [(method, needed) for method, needed in undecided(comparison) if method in shown]
    if not found:
        return []
    lead = f"Not yet distinguishable from {comparison.baseline}: "
    if len({needed for _, needed in found}) == 1:
        names = join_words((method for method, _ in found), most=_MOST_NAMED)
        return [f"{lead}{names}: {found[0][1]}."]
    each = join_words((f"{method} ({needed})" for method, needed in found), most=_MOST_NAMED)
    return [f"{lead}{each}."]
