"""The method to use with its score and its costs, in one sentence, or why there is none."""

from __future__ import annotations

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.constraints import COSTS
from whichpeft.report.answer_parts.limits import best_beyond, closest, shown_limits
from whichpeft.report.text import with_bounds
from whichpeft.units import counted, join_words, points

_MOST_NAMED = 3
_ALWAYS_SHOWN = ("time", "adapter-size")
"""Costs that a reader wants to know whatever the method was chosen by."""


def advice(answer: Answer, *, subject: str = "", values: str = "") -> str:
    """Return which method to use, with its score, its costs and the baseline's; or why there is none.

    Parameters
    ----------
    answer
        The answer.
    subject
        What the method is for, as it follows its name: `` for minilm on sst2``.
    values
        Hyperparameters that belong to the recommendation: `` (learning rate 0.002)``.
    """
    chosen = answer.chosen
    if chosen is None:
        return _nothing(answer, subject)
    score = f"{points(likely_score(answer) or 0.0):.1f} points"
    if len(answer.tasks) > 1:
        score += " on average"
    names = [name for name in costs_shown(answer) if chosen.costs[name] is not None]
    parts = [score, *(COSTS[name].said(chosen.costs[name] or 0.0) for name in names)]
    name = f"{chosen.method}{values}" if values else named(chosen)
    return f"Use {name}{subject}: {join_words(parts)}{_baseline(answer, names)}."


def named(candidate: Candidate) -> str:
    """Return a candidate's method, marked if its hyperparameters are tuned."""
    if candidate.variant == "default":
        return candidate.method
    return f"{candidate.method} ({candidate.variant})"


def likely_score(answer: Answer) -> float | None:
    """Return the score that the chosen method is likely to have with other seeds, a fraction."""
    if answer.likely_score is not None or answer.chosen is None:
        return answer.likely_score
    return answer.chosen.score.mean


def costs_shown(answer: Answer) -> list[str]:
    """Return the names of the costs to show: what was minimised and limited, time, and size."""
    constraints = answer.constraints
    return list(dict.fromkeys((constraints.by, *constraints.limits, *_ALWAYS_SHOWN)))


def baseline_of(answer: Answer) -> Candidate | None:
    """Return the baseline if it is another method than the chosen one, and has a score."""
    found = next((c for c in answer.candidates if c.method == answer.baseline), None)
    chosen = answer.chosen
    if found is None or found.score.mean is None or (chosen and found.method == chosen.method):
        return None
    return found


def _baseline(answer: Answer, names: list[str]) -> str:
    """Give the baseline's score and costs in brackets, unless what limits cost says them."""
    base = baseline_of(answer)
    beyond = best_beyond(answer)
    if base is None or (beyond is not None and beyond.method == base.method):
        return ""
    known = [(name, base.costs[name]) for name in names]
    costs = [
        COSTS[name].said(value) if name == "trainable" else COSTS[name].show(value)
        for name, value in known
        if value is not None
    ]
    return f" ({base.method}: {', '.join([f'{points(base.score.mean or 0.0):.1f}', *costs])})"


def _nothing(answer: Answer, subject: str) -> str:
    """Explain why no method can be recommended; each reason appears once, with its methods."""
    if answer.basis == "at chance":
        return f"No method can be recommended{subject}: {none_beats_chance(answer)}"
    kind = "finalist" if answer.of_race else "method"
    nearest = closest(answer)
    if nearest is not None:
        return (
            f"No {kind} fits the {shown_limits(answer, answer.constraints.limits)}{subject}. {nearest}"
        )
    if len(answer.tasks) > 1:
        return "No method can be recommended for all of these tasks yet."
    trained = [c for c in answer.candidates if c.trains] or list(answer.candidates)
    by_reason: dict[str, list[str]] = {}
    for candidate in trained:
        reason = "; ".join(candidate.excluded).rstrip(".")
        by_reason.setdefault(reason, []).append(candidate.method)
    reasons = [f"{join_words(names, most=_MOST_NAMED)}: {reason}" for reason, names in by_reason.items()]
    more = len(reasons) - _MOST_NAMED
    rest = [f"{counted(more, 'other reason')} in the table"] if more > 0 else []
    lead = f"No {kind} can be recommended{subject} yet"
    return ". ".join([lead, *reasons[:_MOST_NAMED], *rest]) + "."


def none_beats_chance(answer: Answer) -> str:
    """Say that no method is shown to beat chance, how close the best came, and what was wrong."""
    limits = " within the limits" if answer.constraints.limits else ""
    level = f"chance, {points(answer.chance or 0.0):.1f} points"
    scored = [c for c in answer.candidates if c.guesses and c.place is not None]
    best = max(scored, key=lambda c: c.score.mean or 0.0, default=None)
    closest_one = "" if best is None else f"; the best, {best.method}, has {with_bounds(best.score)}"
    return " ".join([f"none{limits} is shown to beat {level}{closest_one}.", *answer.causes])
