"""A stage of a race in a line, for those who follow it while it runs."""

from __future__ import annotations

from whichpeft.analysis.race.ranking import rank_scored
from whichpeft.analysis.race.rung_scores import RungScores
from whichpeft.records import Race, Stage
from whichpeft.report.race.course import share_in_words
from whichpeft.report.text import plain
from whichpeft.units import counted, join_words

_MOST_NAMED = 3


def stage_words(race: Race, scores: RungScores) -> str:
    """Say what the last stage of a race runs, and who leads so far.

    Parameters
    ----------
    race
        The decisions, the stage that begins included.
    scores
        Validations until now.
    """
    stage = race.stages[-1]
    arms = counted(len(stage.arms), "arm")
    methods = counted(len({arm.method for arm in stage.arms}), "method")
    part = share_in_words(stage.step / race.rungs[-1])
    if stage.name == "finals":
        seeds = counted(len(stage.seeds), "seed")
        text = f"finals: {methods} on {seeds}: {plain(join_words(arm.method for arm in stage.arms))}"
    elif stage.name == "audit":
        text = f"audit: {methods} that were dropped train to the end anyway"
    elif stage.name == "widen":
        text = f"the audit found good ones, so {arms} more train to the end"
    else:
        text = f"screen: {arms} of {methods} on {part}"
    before = _leading(race.stages[:-1], scores)
    return f"{text}{before}"


def _leading(stages: tuple[Stage, ...], scores: RungScores) -> str:
    """Name the methods that are the best in the last screen; empty before one has finished."""
    screens = [stage for stage in stages if stage.name == "screen"]
    if not screens:
        return ""
    ranked = rank_scored(screens[-1].arms, screens[-1].step, scores)
    names = list(dict.fromkeys(arm.method for arm in ranked))[:_MOST_NAMED]
    return f"; leading so far: {plain(join_words(names))}" if names else ""
