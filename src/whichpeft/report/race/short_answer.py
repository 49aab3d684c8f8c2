"""The answer of a race as a report shows it: what to use, what was only screened, and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.analysis.choice.what_if import caveats, changes
from whichpeft.report.answer import ShortAnswer, certainty_of, conditions_of
from whichpeft.report.race.audit_words import audit_words
from whichpeft.report.race.course import Course
from whichpeft.report.race.words import advice, screening
from whichpeft.report.text import plain
from whichpeft.study.spec import short_name

if TYPE_CHECKING:
    from whichpeft.analysis import Comparison
    from whichpeft.analysis.choice.answer import Answer


def race_answer(course: Course, answer: Answer | None, comparison: Comparison | None) -> ShortAnswer:
    """Put what a race found into words; `answer` and `comparison` are None before the finals."""
    study = course.study
    told = (" ".join(screening(course)), " ".join(audit_words(course)))
    remarks = [text for text in told if text]
    if answer is not None:
        remarks += [] if answer.why_time is None else [answer.why_time]
        remarks += [*changes(answer), *caveats(answer)]
    most = max((len(entrant.arms) for entrant in course.racing), default=0)
    tuning = "default hyperparameters, no tuning"
    if most > 1:
        tuning = f"up to {most} candidates of each method, compared on the validation split"
    return ShortAnswer(
        backbone=short_name(study.backbones[0]) if answer is None else answer.backbone,
        tasks=(short_name(study.tasks[0].name),) if answer is None else answer.tasks,
        method=None if answer is None or answer.chosen is None else answer.chosen.method,
        basis=None if answer is None else answer.basis,
        advice=advice(course, answer),
        certainty=None if answer is None else certainty_of(answer),
        remarks=tuple(map(plain, remarks)),
        conditions=tuple(map(plain, conditions_of(study, answer, comparison, tuning=tuning))),
    )
