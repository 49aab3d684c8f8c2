"""What the audit says about the screen, in sentences."""

from __future__ import annotations

from whichpeft.analysis.race.correlation import rung_correlation
from whichpeft.analysis.race.finalists import arms_of, best_arms
from whichpeft.report.race.course import Course, share_in_words
from whichpeft.report.text import plain
from whichpeft.units import counted, join_words, points


def audit_words(course: Course) -> list[str]:
    """Say how close dropped methods came that were trained to the end, and what a rung was worth."""
    return [*_came_close(course), *_correlation(course)]


def near_the_best(course: Course) -> list[str]:
    """Return the audited methods whose validation score at the end is within the margin of the best."""
    end = course.last_step
    best = best_arms(arms_of(course.race), end, course.scores)
    shown = {arm.method: course.scores[arm, end].score or 0.0 for arm in best}
    margin = course.constraints.margin
    close = max(shown.values(), default=0.0) - margin
    return [method for method, score in shown.items() if method in course.audited and score >= close]


def _came_close(course: Course) -> list[str]:
    ended = [method for method in course.audited if course.reached(method) == course.last_step]
    if not ended:
        return []
    near = near_the_best(course)
    came = "none" if not near else f"{len(near)} ({plain(join_words(near))})"
    margin = f"{points(course.constraints.margin):.1f} points"
    found = [
        f"Of {counted(len(ended), 'dropped method')} trained to the end anyway, {came} came within "
        f"{margin} of the best validation score."
    ]
    wider = sum(len(stage.arms) for stage in course.race.stages if stage.name == "widen")
    if wider:
        found.append(f"What they showed let {counted(wider, 'more arm')} train to the end.")
    return found


def _correlation(course: Course) -> list[str]:
    found = rung_correlation(course.race, course.scores, course.rules)
    value, low, high = found.interval
    if value is None:
        return []
    between = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    after = share_in_words(course.share(found.step))
    weighted = ", weighted for those that were dropped" if course.audited else ""
    return [
        f"The order of methods after {after} correlates with that at the end at {value:.2f}{between} "
        f"({counted(found.methods, 'method')}{weighted})."
    ]
