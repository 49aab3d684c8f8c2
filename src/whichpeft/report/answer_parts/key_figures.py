"""The few numbers of an answer: the score, then its two most important costs."""

from __future__ import annotations

from dataclasses import dataclass

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.constraints import COSTS
from whichpeft.report.answer_parts.advice import baseline_of, costs_shown, likely_score
from whichpeft.report.text import plain
from whichpeft.units import points

_MOST = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFigure:
    """One of the few numbers of an answer."""

    value: str
    """The number with its unit, ready to show: ``84.1 points``."""

    label: str
    """What it is: ``accuracy on test``, ``training time``."""

    detail: str = ""
    """What it compares with: ``95 % interval 82.0 to 86.1``, ``full: 91.1``."""


def key_figures(answer: Answer) -> tuple[KeyFigure, ...]:
    """Return the chosen method's score and costs; empty if there is none."""
    chosen = answer.chosen
    score = likely_score(answer)
    if chosen is None or score is None:
        return ()
    base = baseline_of(answer)
    label = plain(answer.metric or "score").replace("_", " ")
    label += " on test" if len(answer.tasks) == 1 else f", mean over {len(answer.tasks)} tasks"
    found = [KeyFigure(value=f"{points(score):.1f} points", label=label, detail=_of_score(answer))]
    for name in (*costs_shown(answer), "memory"):
        value = chosen.costs[name]
        if value is None or COSTS[name].words in [figure.label for figure in found]:
            continue
        other = None if base is None else base.costs[name]
        detail = "" if base is None or other is None else f"{base.method}: {COSTS[name].show(other)}"
        shown = COSTS[name].show(value)
        found.append(KeyFigure(value=shown, label=COSTS[name].words, detail=plain(detail)))
    return tuple(found[:_MOST])


def _of_score(answer: Answer) -> str:
    """Return the interval of the chosen method's score, and the baseline's score."""
    assert answer.chosen is not None
    mean, low, high = answer.chosen.score
    base = baseline_of(answer)
    parts = []
    if low is not None and high is not None:
        interval = f"{points(low):.1f} to {points(high):.1f}"
        said = f"95 % interval {interval}"
        likely = answer.likely_score
        if likely is not None and f"{points(likely):.1f}" != f"{points(mean or 0.0):.1f}":
            said = f"measured {points(mean or 0.0):.1f} ({said}), less the luck of being chosen"
        parts.append(said)
    if base is not None:
        parts.append(f"{plain(base.method)}: {points(base.score.mean or 0.0):.1f}")
    return "; ".join(parts)
