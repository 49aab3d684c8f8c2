"""The answer of a race as a report shows it: what to use, what was only screened, and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.report.answer import ShortAnswer
from whichpeft.report.answer_parts.cautions import cautions_of
from whichpeft.report.answer_parts.certainty import certainty_of, reason_of
from whichpeft.report.answer_parts.conditions import conditions_of
from whichpeft.report.answer_parts.key_figures import key_figures
from whichpeft.report.answer_parts.limits import limit_cost
from whichpeft.report.answer_parts.next_command import continue_race, next_command
from whichpeft.report.answer_parts.remarks import proof_of, why_of
from whichpeft.report.race.audit_words import audit_words
from whichpeft.report.race.course import Course
from whichpeft.report.race.words import race_advice, screening
from whichpeft.report.text import plain
from whichpeft.study.spec import short_name

if TYPE_CHECKING:
    from pathlib import Path

    from whichpeft.analysis import Comparison
    from whichpeft.analysis.choice.answer import Answer
    from whichpeft.records import Reading


def race_answer(
    course: Course,
    answer: Answer | None,
    comparison: Comparison | None,
    *,
    folder: Path | None,
    reading: Reading | None,
) -> ShortAnswer:
    """Put what a race found into words; `answer` and `comparison` are None before the finals."""
    study = course.study
    told = (" ".join(screening(course)), " ".join(audit_words(course)))
    remarks = [text for text in told if text]
    if answer is not None:
        remarks += [*proof_of(answer), *([] if answer.why_time is None else [answer.why_time])]
        remarks += [*changes(answer), *caveats(answer)]
    most = max((len(entrant.arms) for entrant in course.racing), default=0)
    tuning = "default hyperparameters, no tuning"
    if most > 1:
        tuning = f"up to {most} candidates of each method, compared on the validation split"
    why = None if answer is None else why_of(answer)
    told_limits = None if answer is None else limit_cost(answer)
    reason = None if answer is None else reason_of(answer)
    following = None if answer is None else next_command(answer, folder)
    if answer is None and course.race.ended is None:
        following = continue_race(folder)
    cautions = [] if answer is None else cautions_of(answer, comparison, reading=reading)
    return ShortAnswer(
        backbone=short_name(study.backbones[0]) if answer is None else answer.backbone,
        tasks=(short_name(study.tasks[0].name),) if answer is None else answer.tasks,
        method=None if answer is None or answer.chosen is None else answer.chosen.method,
        basis=None if answer is None else answer.basis,
        of_race=True,
        advice=race_advice(course, answer),
        why=None if why is None else plain(why),
        limit_cost=None if told_limits is None else plain(told_limits),
        certainty=None if answer is None else certainty_of(answer),
        reason=None if reason is None else plain(reason),
        figures=() if answer is None else key_figures(answer),
        cautions=tuple(map(plain, cautions)),
        next_command=following,
        remarks=tuple(map(plain, remarks)),
        conditions=tuple(map(plain, conditions_of(study, answer, comparison, tuning=tuning))),
    )
