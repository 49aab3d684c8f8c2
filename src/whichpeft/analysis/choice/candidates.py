"""The methods that might be chosen, what each costs, and why some are excluded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from whichpeft.analysis.chance import is_shown, lead_over_chance
from whichpeft.analysis.choice.constraints import COSTS, Constraints, Cost
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.units import points

UNKNOWN = Interval(None, None, None)
_TRAINS_NOTHING = "zero-shot"  # recognised by its name while no record says so


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method that might be chosen, with its tuned results if it was tuned."""

    method: str
    """The method as written in the study."""

    method_id: str | None
    """Canonical name of the method; None if nothing is on record."""

    variant: str
    """``default`` or ``tuned``; over several tasks ``tuned on a, b`` if not tuned on all of them."""

    trains: bool
    """Whether the method trains any parameters."""

    score: Interval
    """Mean score with its 95 % interval, as fractions."""

    costs: Mapping[str, float | None]
    """Costs by the names of `COSTS`; None if unknown."""

    limited: Mapping[str, float | None]
    """What limits apply to, by the names of `COSTS`; None if unknown."""

    excluded: tuple[str, ...] = ()
    """Reasons why the method may not be chosen, in words."""

    over: tuple[str, ...] = ()
    """Names of the limits that the method exceeds."""

    guesses: bool = False
    """Whether it is not shown to beat chance, so that it may not be chosen."""

    rival: bool = False
    """Whether only that excludes it although its mean score is above chance.

    It may be the best method, so a choice has to be proved against it too.
    """

    still_open: bool = False
    """Whether it is excluded only because something is unknown, so that it may be the better choice.

    It did not complete, or a score or a cost was not measured, or in another setting.
    """

    failed: bool = False
    """Whether its trials failed, so that the same run again would not complete it."""

    place: int | None = None
    """Its place in the evidence; None if its score cannot be compared."""

    gap: Interval = UNKNOWN
    """Its score minus the chosen method's, with its 95 % interval, as fractions."""

    probability: float | None = None
    """Probability that its true score is within the margin of the best allowed method's."""

    proved_margin: float | None = None
    """Smallest margin, a fraction, that it is proved to be within."""

    frontier: float | None = None
    """Probability that no method beats it in both score and the cost to minimise."""

    @property
    def allowed(self) -> bool:
        """Whether the method may be chosen."""
        return not self.excluded


def candidates_of(
    comparison: Comparison, constraints: Constraints
) -> list[tuple[Candidate, MethodResult]]:
    """Return a candidate for each answer of a comparison, with its result.

    The place of a candidate is its place among those whose scores can be compared.
    """
    found = []
    compared = 0
    for result in comparison.answers:
        candidate = Candidate(
            method=result.method,
            method_id=result.method_id,
            variant=result.variant,
            trains=not result.trains_nothing and result.method != _TRAINS_NOTHING,
            score=result.score,
            costs={name: cost.value(result) for name, cost in COSTS.items()},
            limited={name: cost.limited(result) for name, cost in COSTS.items()},
        )
        if result.status == "completed" and result.comparable_scores:
            candidate = replace(candidate, place=compared)
            compared += 1
        found.append((_judged(candidate, result, constraints, comparison), result))
    return found


def _judged(
    candidate: Candidate, result: MethodResult, constraints: Constraints, comparison: Comparison
) -> Candidate:
    """Return a candidate with the reasons why it may not be chosen."""
    reasons: list[str] = []
    done = result.status == "completed"
    if not done:
        reasons.append(f"{result.status}: {result.error or 'no reason was given'}")
    elif not result.comparable_scores:
        reasons.append("its scores were measured in another setting")
    elif not candidate.trains:
        reasons.append("it trains nothing and is only a reference")
    lead = lead_over_chance(result, comparison) if done and candidate.trains else UNKNOWN
    guesses = not is_shown(lead)
    above = guesses and lead.mean is not None and lead.mean > 0
    if guesses:
        reasons.append(not_shown(comparison.chance or 0.0, above=above))
    over = []
    for name, limit in constraints.limits.items():
        cost, value = COSTS[name], candidate.limited[name]
        if value is None and done:
            reasons.append(f"{cost.words} {_unmeasured(result, cost)}")
        elif value is not None and value > limit:
            over.append(name)
            needs, allows = cost.shown_limit(value), cost.shown_limit(limit)
            barely = f" by {value / limit - 1:.1%}" if needs == allows else ""
            reasons.append(f"{cost.words} {needs} is over {allows}{barely}")
    by = constraints.by
    if done and by not in constraints.limits and candidate.costs[by] is None:
        reasons.append(f"{constraints.cost.words} {_unmeasured(result, constraints.cost)}")
    # A method over a limit or at chance is ruled out, whatever else is unknown about it.
    ruled_out = over or (guesses and not above) or not candidate.trains or result.status == "refused"
    rival = above and len(reasons) == 1
    return replace(
        candidate,
        excluded=tuple(reasons),
        over=tuple(over),
        guesses=guesses,
        rival=rival,
        failed=result.status == "failed",
        still_open=bool(reasons) and not ruled_out and not rival,
    )


def not_shown(chance: float, *, above: bool) -> str:
    """Return the reason against a method that is not shown to beat chance."""
    shown = "shown to be " if above else ""
    return f"the score is not {shown}better than chance, {points(chance):.1f}"


def _unmeasured(result: MethodResult, cost: Cost) -> str:
    if cost.read(result) is not None and not result.comparable_costs:
        return "was measured in another setting"
    return "was not measured"


def candidate_across_tasks(
    own: Sequence[Candidate],
    tasks: Sequence[str],
    *,
    place: int | None,
    score: Interval,
    lead: Interval,
) -> Candidate:
    """Combine a method's candidates on each task into one over all tasks.

    Costs are means over the tasks; limits apply to the largest value. The mean score has to be shown
    to beat chance, and no score on a single task may be at chance.

    Parameters
    ----------
    own
        The method's candidate on each task.
    tasks
        The tasks, in the same order.
    place
        Its place in the evidence over tasks; None if its score cannot be compared.
    score
        Its mean score over the tasks with its interval, as fractions.
    lead
        How far that is above the mean of the chance levels, from `lead_over_tasks`.
    """
    tuned = [task for task, c in zip(tasks, own, strict=True) if c.variant == "tuned"]
    some = f"tuned on {', '.join(tuned)}" if tuned else "default"
    open_or_allowed = all(c.still_open or c.rival or c.allowed for c in own)
    reasons = [
        f"{task}: {why}"
        for task, c in zip(tasks, own, strict=True)
        if not c.rival  # over all tasks it may be shown
        for why in c.excluded
    ]
    fails = any(c.guesses and not c.rival for c in own)
    above = own[0].trains and not is_shown(lead) and (lead.mean or 0.0) > 0
    if above:
        level = (score.mean or 0.0) - (lead.mean or 0.0)
        reasons.append(not_shown(level, above=True))
    return replace(
        own[0],
        variant="tuned" if len(tuned) == len(own) else some,
        score=score,
        costs={name: _mean([c.costs[name] for c in own]) for name in COSTS},
        limited={name: _largest([c.limited[name] for c in own]) for name in COSTS},
        excluded=tuple(reasons),
        over=tuple(dict.fromkeys(name for c in own for name in c.over)),
        guesses=fails or above,
        rival=above and len(reasons) == 1,
        failed=any(c.failed for c in own),
        still_open=open_or_allowed and any(c.still_open for c in own),
        place=place,
        gap=UNKNOWN,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(values) if len(known) == len(values) else None


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None
