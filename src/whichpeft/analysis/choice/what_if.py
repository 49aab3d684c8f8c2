"""What would change a choice, in sentences: another margin, another limit, more data."""

from __future__ import annotations

import math
from dataclasses import replace

from whichpeft.analysis.choice.answer import Answer
from whichpeft.analysis.choice.candidates import Candidate
from whichpeft.analysis.choice.choice import decide
from whichpeft.analysis.choice.constraints import COSTS
from whichpeft.analysis.choice.evidence import TrialEvidence
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.statistics.power import Needed, what_proves
from whichpeft.units import join_words, points

_MOST_EXCLUDED = 3
_MOST_NAMED = 3
_WIDEST = 0.10  # wider margins are not suggested
_AT_CHANCE_WITH_ONE_SEED = (
    "With one seed, whether a method beats chance is judged by its test examples alone."
)


def changes(answer: Answer) -> list[str]:
    """Return what would change an answer, in sentences."""
    fixes = [f"{fix[0].upper()}{fix[1:]}." for fix in answer.fixes]
    found = [*fixes, _still_open(answer), _wider_margin(answer), *_limits(answer), _more_data(answer)]
    return [sentence for sentence in found if sentence is not None]


def caveats(answer: Answer) -> list[str]:
    """Return what a reader should know about an answer, in sentences."""
    if answer.chosen is None:
        return [_AT_CHANCE_WITH_ONE_SEED] if answer.basis == "at chance" and _one_seed(answer) else []
    found = [_untuned(answer), _luck(answer), _seeds(answer), _no_examples(answer), _chance(answer)]
    found.append(caveat_nothing(answer))
    return [sentence for sentence in found if sentence is not None]


def open_names(answer: Answer) -> str:
    """Name the methods that are neither allowed nor ruled out, because something is unknown."""
    names = [candidate.method for candidate in answer.still_open]
    return join_words(names, most=_MOST_NAMED)


def _still_open(answer: Answer) -> str | None:
    if not answer.still_open:
        return None
    are = "is" if len(answer.still_open) == 1 else "are"
    return (
        f"{open_names(answer)} {are} not complete or not comparable and may be the better choice: "
        f"`whichpeft {'auto' if answer.of_race else 'run'}` resumes it, `whichpeft check` says what is "
        "missing."
    )


def _wider_margin(answer: Answer) -> str | None:
    """Name the margin at which a cheaper method would be chosen, or any method would be proved."""
    chosen, constraints = answer.chosen, answer.constraints
    if chosen is None:
        return None
    known = [(c, c.proved_margin) for c in answer.allowed if c.proved_margin is not None]
    wider = [margin for c, margin in known if margin > constraints.margin and _cheaper(c, answer)]
    if not wider or min(wider) > _WIDEST:
        return None
    # Rounded up to a tenth of a point, so that the margin shown is wide enough.
    margin = math.ceil(1000 * min(wider) - 1e-9) / 1000
    # The level of a race's finals depends on the margin, so it may not quite do.
    wide = decide(replace(answer, constraints=replace(constraints, margin=margin)))
    other = wide.chosen
    same = answer.within_margin and other is not None and other.method == chosen.method
    if other is None or not wide.within_margin or same:
        return None
    others = "all complete methods" if answer.still_open else "every other allowed method"
    then = f"is proved to be within that of {others}"
    if answer.within_margin:
        then = f"is chosen: {_saves(other, answer)}"
    return f"With a margin of {points(margin):.1f} points, {other.method} {then}."


def _cheaper(candidate: Candidate, answer: Answer) -> bool:
    """Whether a candidate would be preferred to the chosen one; any would if that is not proved."""
    by = answer.constraints.by
    if not answer.within_margin or answer.chosen is None:
        return True
    return (candidate.costs[by] or 0.0) < (answer.chosen.costs[by] or 0.0)


def _saves(other: Candidate, answer: Answer) -> str:
    cost = answer.constraints.cost
    assert answer.chosen is not None
    now, then = (
        answer.chosen.costs[answer.constraints.by] or 0.0,
        other.costs[answer.constraints.by] or 0.0,
    )
    return f"{cost.words} {cost.show(then)} instead of {cost.show(now)}"


def _limits(answer: Answer) -> list[str]:
    """Name the methods that only limits exclude and that scored higher than the chosen one."""
    found = []
    for candidate in answer.candidates:
        if candidate.over and len(candidate.over) == len(candidate.excluded):
            ahead = candidate.gap.mean
            if answer.chosen is None or (ahead is not None and ahead > 0):
                found.append((-(ahead or candidate.score.mean or 0.0), candidate))
    found.sort(key=lambda pair: pair[0])
    return [_limit(candidate, answer) for _, candidate in found[:_MOST_EXCLUDED]]


def _limit(candidate: Candidate, answer: Answer) -> str:
    needs = " and ".join(
        f"{COSTS[name].shown_limit(candidate.limited[name] or 0.0)} of {COSTS[name].words} "
        f"({COSTS[name].shown_limit(answer.constraints.limits[name])} allowed)"
        for name in candidate.over
    )
    mean, low, high = candidate.gap
    if mean is None:
        return f"{candidate.method} needs {needs}."
    between = "" if low is None or high is None else f" ({points(low):+.1f} to {points(high):+.1f})"
    return f"{candidate.method} scored {points(mean):.1f} points more{between} and needs {needs}."


def _more_data(answer: Answer) -> str | None:
    """Estimate the data that would prove a best bet, for the methods that are not ruled out yet."""
    found = _needed(answer)
    if answer.chosen is None or found is None:
        return None
    margin = f"{points(answer.constraints.margin):.1f} points"
    goal = f"prove {answer.chosen.method} within {margin} of every other allowed method"
    if any(needed.seeds is None and needed.examples is None for needed in found):
        return f"No feasible number of seeds or test examples would {goal}."
    seeds = max((needed.seeds or needed.seeds_for_examples or 0 for needed in found), default=0)
    examples = max((needed.examples or 0 for needed in found), default=0)
    if examples:
        return (
            f"About {examples:,} test examples with {seeds:,} seeds would {goal}; more seeds would not."
        )
    more = "" if answer.finals is None else " of a new study"  # a race's looks are planned before it
    return f"About {seeds:,} seeds{more} would {goal} if the scores do not change."


def seeds_that_prove(answer: Answer) -> int | None:
    """Return how many seeds are likely to prove a best bet; None if seeds alone are not."""
    needed = [own.seeds for own in _needed(answer) or ()]
    known = [seeds for seeds in needed if seeds is not None]
    return max(known) if known and len(known) == len(needed) else None


def _needed(answer: Answer) -> list[Needed] | None:
    """Return the data that would prove a best bet, by method that is not ruled out yet."""
    chosen, evidence, margin = answer.chosen, answer.evidence, answer.constraints.margin
    if chosen is None or chosen.place is None or answer.within_margin or len(answer.competing) == 1:
        return None
    if not isinstance(evidence, TrialEvidence) or _without_error(answer):
        return None
    level = answer.level or LEVEL
    found = []
    for other in answer.competing:
        assert other.place is not None
        low = evidence.gap(chosen.place, other.place, 1 - 2 * level).low
        if low is None or low < -margin:
            effects = evidence.effects(chosen.place, other.place)
            found.append(what_proves(effects, margin=margin, level=level))
    return found


def _untuned(answer: Answer) -> str | None:
    trained = [c for c in answer.candidates if c.trains and c.place is not None]
    if all(c.variant == "default" for c in trained):
        how = (
            "more time or --candidates 4 tries more of them"
            if answer.of_race
            else "`whichpeft run --tuning-trials 8` tunes every method"
        )
        return f"This holds for each method's default hyperparameters only: none was tuned ({how})."
    untuned = [
        c.method if c.variant == "default" else f"{c.method} (only {c.variant})"
        for c in trained
        if c.variant != "tuned"
    ]
    if untuned:
        names = join_words(untuned)
        return f"Not tuned, so compared at default hyperparameters with tuned methods: {names}."
    return None


def _luck(answer: Answer) -> str | None:
    """Say what a finalist's score owes to having been chosen, if that shows."""
    chosen, likely = answer.chosen, answer.likely_score
    if chosen is None or likely is None or chosen.score.mean is None:
        return None
    if points(chosen.score.mean - likely) < 0.1:
        return None
    return (
        f"{chosen.method} scored {points(chosen.score.mean):.1f} points in the finals. Who is chosen "
        f"among several is partly lucky: other seeds are likely to give {points(likely):.1f}."
    )


def _one_seed(answer: Answer) -> bool:
    return answer.evidence is not None and answer.evidence.fewest_seeds < 2


def _chance(answer: Answer) -> str | None:
    """Say on what it rests that the chosen method beats chance, if not on several seeds."""
    chosen = answer.chosen
    if chosen is None or answer.chance is None:
        return None
    if chosen.score.low is not None:
        if not _one_seed(answer):
            return None
        return f"That {chosen.method} beats chance is shown by the test examples of one seed alone."
    return (
        f"The error of its score is unknown, so it is not shown that {chosen.method} is better than "
        f"chance ({points(answer.chance):.1f})."
    )


def _seeds(answer: Answer) -> str | None:
    """Name the gaps whose variation between seeds cannot be estimated."""
    without_error = _without_error(answer)
    if _one_seed(answer):
        return (
            "With one seed the variation between seeds is unknown, so nothing is proved: run at least 3."
        )
    if without_error and answer.chosen is not None:
        return (
            f"The gap between {answer.chosen.method} and {join_words(without_error)} is the same on "
            "every seed and not known by example, so its error is unknown: keep predictions or run more "
            "seeds."
        )
    return None


def _without_error(answer: Answer) -> list[str]:
    """Return the allowed methods whose gap to the chosen one has no error estimate."""
    chosen, evidence = answer.chosen, answer.evidence
    if evidence is None or chosen is None or chosen.place is None:
        return []
    return [
        other.method
        for other in answer.competing
        if other.place is not None
        and other.place != chosen.place
        and not evidence.proves(chosen.place, other.place)
    ]


def _no_examples(answer: Answer) -> str | None:
    evidence = answer.evidence
    if not isinstance(evidence, TrialEvidence) or evidence.examples is not None:
        return None
    return (
        "Scores are known by seed and not by example, so this answer holds for this test set, "
        "not for another."
    )


def caveat_nothing(answer: Answer) -> str | None:
    """Return a warning if the chosen method is not proved better than one that trains nothing."""
    chosen, evidence = answer.chosen, answer.evidence
    if chosen is None or chosen.place is None or evidence is None:
        return None
    for candidate in answer.candidates:
        if candidate.trains or candidate.place is None:
            continue
        # One-sided at 95 %, as for chance.
        low = evidence.gap(chosen.place, candidate.place, 1 - 2 * LEVEL).low
        if low is None or low <= 0:
            return f"{chosen.method} is not proved better than {candidate.method}, which trains nothing."
    return None
