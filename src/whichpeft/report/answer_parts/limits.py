"""What a reader's limits cost in score, and how far from fitting the closest method is."""

from __future__ import annotations

from collections.abc import Iterable

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.constraints import COSTS
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.units import join_words, points


def limit_cost(answer: Answer) -> str | None:
    """Return what the limits cost in score, in a sentence; None if nothing over them scored higher.

    They *cost* it if the gap to the best method over a limit is above zero at 5 % for all methods over
    a limit together (Bonferroni); otherwise they *may*.
    """
    best = best_beyond(answer)
    if best is None or best.gap.mean is None:
        return None
    limits = f"Your {shown_limits(answer, best.over)}"
    uses = join_words(_used(best, name) for name in best.over)
    low = _lowest_gap(answer, best)
    costs = "costs" if len(best.over) == 1 else "cost"
    lost = points(best.gap.mean)
    size = f"{lost:.0f} points" if lost >= 10 else f"{lost:.1f} points"
    if low is not None and low > 0:
        reached = f"{points(best.score.mean or 0.0):.1f}"
        return f"{limits} {costs} {size}: {best.method} reaches {reached} with {uses}."
    return (
        f"{limits} may cost something: {best.method} scored {size} more with {uses}, which may be luck."
    )


def _used(candidate: Candidate, name: str) -> str:
    """Return what a method needs of a limited cost: ``90.9 MB``, ``100 % of the parameters trained``."""
    value = COSTS[name].shown_limit(candidate.limited[name] or 0.0)
    return f"{value} of the parameters trained" if name == "trainable" else value


def best_beyond(answer: Answer) -> Candidate | None:
    """Return the method that scored highest of those that only limits exclude, if above the chosen."""
    ahead = [c for c in _beyond(answer) if c.gap.mean is not None and c.gap.mean > 0]
    return max(ahead, key=lambda c: c.gap.mean or 0.0, default=None)


def closest(answer: Answer) -> str | None:
    """Return the method that comes closest to the limits, in a sentence, if limits exclude all."""
    limits = answer.constraints.limits
    beyond = _beyond(answer)
    if answer.chosen is not None or not beyond:
        return None

    def excess(candidate: Candidate) -> float:
        values = ((candidate.limited[name] or 0.0, limits[name]) for name in candidate.over)
        return max(value / max(limit, 1e-12) for value, limit in values)

    found = min(beyond, key=excess)
    needs = join_words(
        f"{COSTS[name].shown_limit(found.limited[name] or 0.0)} of {COSTS[name].words}"
        for name in found.over
    )
    return f"The closest is {found.method}: {points(found.score.mean or 0.0):.1f} points with {needs}."


def shown_limits(answer: Answer, names: Iterable[str]) -> str:
    """Name limits: ``2 MB adapter limit``, ``limits (adapter 2 MB, train time 10 s)``."""
    limits = answer.constraints.limits
    shown = [(COSTS[name].title, COSTS[name].shown_limit(limits[name])) for name in names]
    if len(shown) == 1:
        title, value = shown[0]
        return f"{value} {title} limit"
    return f"limits ({', '.join(f'{title} {value}' for title, value in shown)})"


def _beyond(answer: Answer) -> list[Candidate]:
    """Return the methods with a score that nothing but limits excludes."""
    return [
        c
        for c in answer.candidates
        if c.over and len(c.over) == len(c.excluded) and c.score.mean is not None
    ]


def _lowest_gap(answer: Answer, best: Candidate) -> float | None:
    """Return the lower bound of a gap to the chosen method, for all methods over a limit together."""
    chosen, evidence = answer.chosen, answer.evidence
    if evidence is None or chosen is None or chosen.place is None or best.place is None:
        return None
    if not evidence.proves(best.place, chosen.place):
        return None
    return evidence.gap(best.place, chosen.place, 1 - LEVEL / len(_beyond(answer))).low
