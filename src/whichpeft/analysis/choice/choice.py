"""Choose the cheapest allowed method that is not worse than the best one by more than a margin.

A method is *proved* to be within the margin if the one-sided 95 % lower bound of its gap to every
other allowed method is above minus the margin. That is an intersection-union test (Berger 1982):
"not worse than the best" means "not worse than any", and a claim that needs every one of several
tests to succeed is wrong at most as often as a single one of them. So each test is done at 5 % and
none is corrected. If nothing is proved, the method with the highest probability of being within the
margin is the best bet. A choice is called proved only if it was compared with every method that the
limits allow: a method that is not complete, or not measured in the same setting, may be better.

Only a method that is shown to beat chance can be chosen (see `whichpeft.analysis.chance`); without
one, nothing is. A method that is not shown to, although its mean score is above chance, may still be
the best one: a choice is proved only against it too.

The 5 % is how often one given method is wrongly proved. The cheapest of several that pass may have
passed by luck. In simulated studies of eight methods spread evenly over six points, a proved choice
was outside a margin of two points in under 1 %. With ten methods exactly on the edge of the margin
and five seeds, one was wrongly chosen in 20 %. Bounds that hold for all methods together (Hsu 1984)
would prove a third as often with three seeds, and are not used. The finals of a race keep the 5 % for
whichever method is chosen, at all looks together (see `whichpeft.analysis.choice.proof`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from whichpeft.analysis.chance import lead_over_tasks
from whichpeft.analysis.choice.answer import Answer, Basis
from whichpeft.analysis.choice.candidates import (
    UNKNOWN,
    Candidate,
    candidate_across_tasks,
    candidates_of,
)
from whichpeft.analysis.choice.constraints import Constraints
from whichpeft.analysis.choice.evidence import Evidence, EvidenceAcrossTasks, TrialEvidence, gather
from whichpeft.analysis.choice.luck import likely_score
from whichpeft.analysis.choice.proof import at_last_look, level_of_finals
from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.frontier import TIE, frontier_probability
from whichpeft.analysis.statistics.gap import LEVEL
from whichpeft.analysis.time_parts import explain_time
from whichpeft.analysis.why_at_chance import fixes, in_words, probable_causes
from whichpeft.metrics.metric import Floats


def choose(comparison: Comparison, constraints: Constraints, *, rng: np.random.Generator) -> Answer:
    """Choose a method of a comparison.

    A method that trains nothing is a candidate but never chosen: training has to beat it.

    Parameters
    ----------
    comparison
        The methods of one backbone on one task.
    constraints
        The limits, the cost to minimise and the margin.
    rng
        Draws the true scores that probabilities are estimated from.
    """
    found = candidates_of(comparison, constraints)
    compared = [
        at_last_look(result.records, comparison.finals)
        for candidate, result in found
        if candidate.place is not None
    ]
    evidence = gather(compared, comparison.scores, rng=rng) if compared else None
    answer = decide(
        Answer(
            backbone=comparison.backbone,
            tasks=(comparison.task,),
            metric=comparison.metric,
            constraints=constraints,
            candidates=tuple(candidate for candidate, _ in found),
            evidence=evidence,
            finals=comparison.finals,
            baseline=comparison.baseline,
            notes=comparison.notes,
            chance=comparison.chance,
        )
    )
    if answer.basis == "at chance":
        failed = (candidate.guesses or result.status == "failed" for candidate, result in found)
        results = [result for (_, result), fails in zip(found, failed, strict=True) if fails]
        causes = probable_causes(comparison, results)
        return replace(
            answer, causes=(in_words(causes),), fixes=tuple(fixes(causes, of_race=answer.of_race))
        )
    for candidate, (_, result) in zip(answer.candidates, found, strict=True):
        if candidate is answer.chosen:
            return replace(answer, why_time=explain_time(result, comparison))
    return answer


def choose_across_tasks(answers: Sequence[Answer]) -> Answer | None:
    """Choose one method for all tasks of a backbone, by its mean score over them.

    Limits have to hold on each task; costs are means over the tasks. Return None if the answers are
    not about several tasks, each of them once, or if nothing was compared on one of them.
    """
    tasks = tuple(task for answer in answers for task in answer.tasks)
    parts = [answer.evidence for answer in answers if isinstance(answer.evidence, TrialEvidence)]
    if len(set(tasks)) < len(answers) or len(answers) < 2 or len(parts) < len(answers):
        return None
    by_method = [{c.method: c for c in answer.candidates} for answer in answers]
    shared = [
        [own[name] for own in by_method]
        for name in by_method[0]
        if all(name in own for own in by_method)
    ]
    compared = [own for own in shared if all(c.place is not None for c in own)]
    places = [[own[i].place or 0 for own in compared] for i in range(len(parts))]
    evidence = EvidenceAcrossTasks(tuple(parts), places, parts[0].rng) if compared else None
    chances = [answer.chance for answer in answers]
    candidates = []
    for own in shared:
        place = compared.index(own) if own in compared else None
        score = lead = UNKNOWN
        if evidence is not None and place is not None:
            score = evidence.score(place)
            drawn = None if evidence.draws is None else evidence.draws[:, place]
            mean = float(evidence.means[place])
            lead = lead_over_tasks(drawn, mean, chances, methods=len(compared))
        candidates.append(candidate_across_tasks(own, tasks, place=place, score=score, lead=lead))
    metrics = {answer.metric for answer in answers}
    known = [chance for chance in chances if chance is not None]
    answer = decide(
        Answer(
            backbone=answers[0].backbone,
            tasks=tasks,
            metric=metrics.pop() if len(metrics) == 1 else "mean score",
            constraints=answers[0].constraints,
            candidates=tuple(candidates),
            baseline=answers[0].baseline,
            evidence=evidence,
            chance=float(np.mean(known)) if len(known) == len(chances) else None,
        )
    )
    if answer.basis != "at chance":
        return answer
    return replace(
        answer,
        causes=tuple(f"{one.tasks[0]}: {cause}" for one in answers for cause in one.causes),
        fixes=tuple(f"on {one.tasks[0]}, {fix}" for one in answers for fix in one.fixes),
    )


def decide(answer: Answer) -> Answer:
    """Return an answer with what its evidence says about each candidate, and with the chosen one."""
    evidence, constraints = answer.evidence, answer.constraints
    if evidence is None or not any(c.allowed and c.place is not None for c in answer.candidates):
        return replace(answer, basis="at chance") if _at_chance(answer) else answer
    competing = [c.place for c in answer.competing if c.place is not None]
    level = LEVEL
    if answer.finals is not None and isinstance(evidence, TrialEvidence):
        level = level_of_finals(evidence, competing, answer.finals, constraints.margin)
    probability = within(evidence.draws, competing, constraints.margin)
    frontier = _on_frontier(answer)
    known = [
        replace(
            candidate,
            probability=probability.get(candidate.place) if candidate.place is not None else None,
            proved_margin=_proved_margin(evidence, candidate.place, competing, level)
            if candidate.allowed and candidate.place is not None
            else None,
            frontier=frontier.get(candidate.method),
        )
        for candidate in answer.candidates
    ]
    chosen = pick([c for c in known if c.allowed], constraints)
    assert chosen.place is not None
    with_gaps = [
        replace(candidate, gap=evidence.gap(candidate.place, chosen.place))
        if candidate.place is not None
        else candidate
        for candidate in known
    ]
    likely = None
    if answer.finals is not None and isinstance(evidence, TrialEvidence):
        likely = likely_score(evidence, competing, chosen.place)
    found = replace(
        answer,
        candidates=tuple(with_gaps),
        chosen=next(c for c in with_gaps if c.place == chosen.place),
        level=level,
        likely_score=likely,
    )
    return replace(found, basis=_basis(found))


def _at_chance(answer: Answer) -> bool:
    """Whether no method can be chosen because none that can be compared is shown to beat chance."""
    scored = [c for c in answer.candidates if c.trains and c.place is not None]
    only_chance = any(c.guesses and len(c.excluded) == 1 for c in scored)
    return only_chance or (bool(scored) and all(c.guesses for c in scored))


def _basis(answer: Answer) -> Basis:
    if answer.still_open:
        return "best bet"
    if len(answer.competing) == 1:
        return "only one"
    return "proved" if answer.within_margin else "best bet"


def pick(allowed: Sequence[Candidate], constraints: Constraints) -> Candidate:
    """Return the cheapest allowed method that is proved to be within the margin, else the likeliest.

    Among equally likely methods it is the cheapest. If no probability is known, it is the method
    with the highest score.
    """

    def cost(candidate: Candidate) -> tuple[float, float]:
        return candidate.costs[constraints.by] or 0.0, -(candidate.score.mean or 0.0)

    proved = [
        c for c in allowed if c.proved_margin is not None and c.proved_margin <= constraints.margin
    ]
    if proved:
        return min(proved, key=cost)
    return min(
        allowed,
        key=lambda c: (
            -(c.probability or 0.0),
            -(c.score.mean or 0.0) * (c.probability is None),
            cost(c),
        ),
    )


def within(draws: Floats | None, allowed: Sequence[int], margin: float) -> dict[int, float]:
    """Return the probability that each allowed method is within the margin of the best of them.

    Parameters
    ----------
    draws
        Draws of the true scores, shape (draws, methods); None if there are none.
    allowed
        Places of the allowed methods.
    margin
        A fraction.

    Returns
    -------
    dict
        Probabilities by place; empty without draws.
    """
    if draws is None:
        return {}
    reach = draws[:, list(allowed)].max(axis=1) - margin - TIE
    return {place: float(np.mean(draws[:, place] >= reach)) for place in allowed}


def _proved_margin(evidence: Evidence, place: int, allowed: Sequence[int], level: float) -> float | None:
    """Return the smallest margin that a method is proved to be within; None if there is none."""
    others = [other for other in allowed if other != place]
    if not level or not others or not all(evidence.proves(place, other) for other in others):
        return None
    bounds = [evidence.gap(place, other, 1 - 2 * level).low for other in others]
    if any(bound is None for bound in bounds):
        return None
    return max([0.0, *(-bound for bound in bounds if bound is not None)])


def _on_frontier(answer: Answer) -> dict[str, float]:
    """Return by method the probability of being on the frontier, for candidates of known cost."""
    draws = answer.evidence.draws if answer.evidence is not None else None
    by = answer.constraints.by
    known = [(c, c.place, c.costs[by]) for c in answer.candidates if c.place is not None]
    priced = [(c, place, cost) for c, place, cost in known if cost is not None]
    if draws is None or not priced:
        return {}
    found = frontier_probability(draws[:, [p for _, p, _ in priced]], [cost for *_, cost in priced])
    return {c.method: float(p) for (c, *_), p in zip(priced, found, strict=True)}
