"""What a race runs next.

The next stage depends only on the stages before and on what their arms showed. So any process that
reads the run folder comes to the same stage. The clock has a say only through `afford`, and what it
allowed is kept in the stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from whichpeft.analysis.race.at_chance import methods_at_chance, stand_ins
from whichpeft.analysis.race.audit import audited_arms, found_good, risen, widened_arms
from whichpeft.analysis.race.finalists import finalists
from whichpeft.analysis.race.ranking import has_score, rank_scored
from whichpeft.analysis.race.rules import Afford, RaceRules
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records.race import Arm, Race, Stage
from whichpeft.units import join_words

KEPT = 3
"""The best third of the arms continues at a rung."""

FEWEST_METHODS = 8
"""This many methods continue at a rung, if there are as many."""

MOST_ARMS = 2
"""At the first rung, no more arms of a method than this continue."""


def next_stage(race: Race, scores: RungScores, rules: RaceRules, afford: Afford) -> Stage | None:
    """Return the stage that follows those of a race, all of whose arms have finished or were cut off.

    Parameters
    ----------
    race
        The decisions so far.
    scores
        Validations by arm and step; those that the last stage cut off have none.
    rules
        The rules of the race.
    afford
        How many arms can be paid for.

    Returns
    -------
    Stage or None
        None if no arm has a score, or if the finals have begun: `next_finals` continues them.
    """
    last = race.stages[-1] if race.stages else None
    if last is None:
        return _first_screen(race, rules, afford)
    if last.name == "finals":
        return None
    end = race.rungs[-1]
    if last.name == "screen" and last.step < end:
        return _next_screen(race, last, scores, rules, afford) or _finals(race, scores, rules, afford)
    if last.name == "screen":
        why = "drawn from the dropped methods, those still at chance more often"
        arms = audited_arms(race, scores, rules)
        audit = _within(Stage(name="audit", step=end, arms=arms, why=why), afford)
        if audit.arms:
            return audit
    if last.name == "audit":
        good = found_good(race, scores, rules) or risen(race, scores, rules)
        why = f"the audit found {join_words(good)}"
        arms = widened_arms(race, scores, rules)
        wider = _within(Stage(name="widen", step=end, arms=arms, why=why), afford)
        if wider.arms:
            return wider
    return _finals(race, scores, rules, afford)


def entered_arms(race: Race, rules: RaceRules) -> tuple[Arm, ...]:
    """Return all arms of a race, the defaults first and the baseline before others.

    So each method has its default tried before the time is over.
    """
    racing = sorted(race.entrants, key=lambda entrant: entrant.method != rules.baseline)
    rounds = zip_longest(*(entrant.arms[: rules.candidates] for entrant in racing))
    return tuple(arm for arms in rounds for arm in arms if arm is not None)


def continuing_arms(
    ranked: Sequence[Arm], baseline: str, *, places: int, most: int | None = None
) -> list[Arm]:
    """Return the arms that continue at a rung because of their rank, best first.

    Parameters
    ----------
    ranked
        The arms at the rung, best first.
    baseline
        The method whose best arm always continues.
    places
        How many continue. More do if they are of too few methods.
    most
        Most arms of a method; None for any number.
    """
    taken: list[Arm] = []
    for arm in ranked:
        own = sum(other.method == arm.method for other in taken)
        if len(taken) < places and (most is None or own < most):
            taken.append(arm)
    for arm in ranked:
        methods = {other.method for other in taken}
        if len(methods) >= FEWEST_METHODS:
            break
        if arm.method not in methods:
            taken.append(arm)
    reference = next((arm for arm in ranked if arm.method == baseline), None)
    if reference is not None and reference not in taken:
        taken.append(reference)
    return [arm for arm in ranked if arm in taken]


def _first_screen(race: Race, rules: RaceRules, afford: Afford) -> Stage | None:
    arms = entered_arms(race, rules)
    if not arms:
        return None
    stage = Stage(name="screen", step=race.rungs[0], arms=arms, why="all methods, defaults first")
    found = _within(stage, afford)
    return found if found.arms else replace(stage, arms=arms[:1])


def _next_screen(
    race: Race, last: Stage, scores: RungScores, rules: RaceRules, afford: Afford
) -> Stage | None:
    """Return the screen to the next rung; None if no arm can continue.

    At the first rung, methods at chance continue as well: there is nothing to rank them by yet.
    """
    rung = race.rungs.index(last.step)
    ranked = rank_scored(last.arms, last.step, scores)
    entered = sum(has_score(arm, race.rungs[0], scores) for arm in race.stages[0].arms)
    places = math.ceil(entered / KEPT ** (rung + 1))
    stuck = methods_at_chance(last.arms, last.step, scores, rules.chance) if rung == 0 else {}
    able = [arm for arm in ranked if arm.method not in stuck]
    arms = continuing_arms(able, rules.baseline, places=places, most=MOST_ARMS if rung == 0 else None)
    waiting = zip_longest(*(stand_ins(own, last.step, scores) for own in stuck.values()))
    arms += [arm for arms in waiting for arm in arms if arm is not None]
    why = f"the best third{', those still at chance' if stuck else ''} and the baseline"
    stage = Stage(name="screen", step=race.rungs[rung + 1], arms=tuple(arms), why=why)
    return _within(stage, afford, rules.baseline) if arms else None


def _finals(race: Race, scores: RungScores, rules: RaceRules, afford: Afford) -> Stage | None:
    arms = finalists(race, scores, rules)
    stage = Stage(
        name="finals",
        step=race.rungs[-1],
        arms=tuple(arms),
        seeds=tuple(range(rules.looks[0])),
        why="the finalists, on seeds that nothing was chosen by",
    )
    found = _within(stage, afford, rules.baseline)
    if arms and not found.arms:
        return replace(stage, arms=stage.arms[:1])
    return found if found.arms else None


def _within(stage: Stage, afford: Afford, baseline: str | None = None) -> Stage:
    """Return a stage with as many of its arms as can be paid for, one of the baseline among them.

    The best arm comes before the baseline.
    """
    most = afford(stage.name, stage.step)
    if most is None or most >= len(stage.arms):
        return stage
    kept = list(stage.arms[:most])
    reference = next((arm for arm in stage.arms if arm.method == baseline), None)
    if most > 1 and reference is not None and reference not in kept:
        kept[-1] = reference
    return replace(stage, arms=tuple(kept))
