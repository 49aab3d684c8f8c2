"""Why each method of a race left, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from whichpeft.analysis.race.ranking import has_score
from whichpeft.records import Stage
from whichpeft.report.race.course import Course, share_in_words
from whichpeft.units import counted

Why = Literal[
    "refused", "over a limit", "trains nothing", "dropped", "failed", "not finished", "no finalist",
    "fell behind",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """Why a method left the race."""

    why: Why
    """The reason in a word or two. ``fell behind``: a finalist that got no more seeds."""

    because: str
    """The reason in a phrase."""

    at: float | None = None
    """The share of training after which it was dropped; None if it did not start or was not dropped."""


def leaving(course: Course, method: str) -> Leaving | None:
    """Return why a method left; None if it is still in the race, or stayed until its end."""
    entrant = next(entrant for entrant in course.race.entrants if entrant.method == method)
    if entrant.out is not None and not entrant.arms:
        return Leaving(why=entrant.out, because=entrant.reason or entrant.out)
    if method in course.finalists:
        return _behind(course, method)
    step = course.screened(method)
    stages = course.race.stages
    own = [stage for stage in course.screens if any(arm.method == method for arm in stage.arms)]
    now = not stages or (bool(own) and own[-1] is stages[-1])
    if not step or _only_cut(own[-1], method):
        if now and course.race.ended is None:
            return None
        reach = f"reached {share_in_words(course.share(own[-1].step))}" if own else "started"
        return Leaving(why="not finished", because=f"the time was over before it had {reach}")
    if not any(has_score(arm, step, course.scores) for arm in course.arms(method)):
        return Leaving(why="failed", because=_failure(course, method), at=course.share(step))
    if now:
        over = Leaving(why="not finished", because="the time was over before the finals")
        return None if course.race.ended is None else over
    if step == course.last_step:
        return _no_finalist(course, method)
    return _dropped(course, method, step)


def _only_cut(stage: Stage, method: str) -> bool:
    return all(arm in stage.cut for arm in stage.arms if arm.method == method)


def _failure(course: Course, method: str) -> str:
    reasons = (r.outcome.reason for r in course.by_method[method] if r.outcome.status == "failed")
    return next((reason for reason in reasons if reason), "no reason was given")


def _dropped(course: Course, method: str, step: int) -> Leaving:
    stage = next(stage for stage in reversed(course.screens) if stage.step == step)
    ranked = course.ranked[step]
    place = next(i for i, arm in enumerate(ranked, start=1) if arm.method == method)
    later = course.race.stages[course.race.stages.index(stage) + 1]
    share = course.share(step)
    return Leaving(
        why="dropped",
        because=f"{ordinal(place)} of {counted(len(ranked), 'arm')} after {share_in_words(share)}; "
        f"{len(later.arms)} continued",
        at=share,
    )


def _no_finalist(course: Course, method: str) -> Leaving:
    order = course.order(course.last_step)
    place = order.index(method) + 1
    return Leaving(
        why="no finalist",
        because=f"{ordinal(place)} of {counted(len(order), 'method')} at the end; "
        f"{len(course.finalists)} were tested",
        at=1.0,
    )


def _behind(course: Course, method: str) -> Leaving | None:
    """Return why a finalist got no seeds at the later looks; None if it got all."""
    looks = [stage for stage in course.race.stages if stage.name == "finals"]
    own = [stage for stage in looks if any(arm.method == method for arm in stage.arms)]
    if own[-1] is looks[-1]:
        return None
    entrant = next(entrant for entrant in course.race.entrants if entrant.method == method)
    seeds = counted(len(own[-1].seeds), "seed")
    because = (
        f"a reference only: {entrant.reason or entrant.out}"
        if entrant.out is not None
        else f"no possible choice after {seeds}: worse by more than the margin, or over a limit"
    )
    return Leaving(why="fell behind", because=because, at=1.0)


def ordinal(place: int) -> str:
    """Write a place: ``1st``, ``2nd``, ``13th``."""
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
