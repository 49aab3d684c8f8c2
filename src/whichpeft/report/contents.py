"""The contents of a report before they are printed, drawn or written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.analysis import AcrossTasks, Comparison, across_tasks
from whichpeft.analysis.across_backbones import AcrossBackbones, across_backbones
from whichpeft.records import Race, Reading, Record
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.analysis.choice.constraints import Constraints
    from whichpeft.report.answer import ShortAnswer
    from whichpeft.report.choices import Choices
    from whichpeft.report.race.course import Course


@dataclass(frozen=True, kw_only=True)
class ReportContents:
    """The study, its records, and the results computed from them."""

    study: Study
    """The study."""

    study_text: str
    """The text of the study file."""

    records: tuple[Record, ...]
    """The records, in any order."""

    comparisons: tuple[Comparison, ...]
    """One per backbone and task."""

    reading: Reading | None = None
    """What was read of the data and the backbones; None if an old folder does not say."""

    race: Race | None = None
    """What a race between the methods decided; None if there was none."""

    @cached_property
    def course(self) -> Course | None:
        """The race with its records; None if there was none."""
        from whichpeft.report.race.course import Course

        return None if self.race is None else Course(self.study, self.race, self.records)

    @cached_property
    def across(self) -> list[AcrossTasks]:
        """How methods compare over all tasks, for each backbone with several tasks."""
        return across_tasks(self.comparisons, rng=np.random.default_rng(0))

    @cached_property
    def backbones(self) -> list[AcrossBackbones]:
        """How gaps change with the size of the backbone, for each task with several backbones."""
        return across_backbones(self.comparisons)

    @cached_property
    def answers(self) -> list[ShortAnswer]:
        """Short answers to "which method?": per backbone and task, then over the tasks of a backbone."""
        from whichpeft.analysis.choice.constraints import read_constraints
        from whichpeft.report.answer import short_answers
        from whichpeft.report.race.short_answer import race_answer

        if self.course is not None:
            found = self.choose(self.course.constraints)
            return [
                race_answer(self.course, answer, comparison)
                for answer, comparison in zip(found, self.comparisons, strict=True)
            ] or [race_answer(self.course, None, None)]
        answers = list(self.choose(read_constraints()))
        if any(answer.chosen is None for answer in answers):
            # Times require a profile; the number of trained parameters is known for every trial.
            others = self.choose(read_constraints(by="trainable"))
            answers = [
                a if a.chosen or not o.chosen else o for a, o in zip(answers, others, strict=True)
            ]
        return short_answers(self.study, self.comparisons, answers)

    def choose(self, constraints: Constraints) -> Choices:
        """Choose a method under constraints; see `Report.choose`."""
        from whichpeft.analysis.choice.choice import choose, choose_across_tasks
        from whichpeft.report.choices import Choices

        rng = np.random.default_rng(0)
        answers = [choose(comparison, constraints, rng=rng) for comparison in self.comparisons]
        for backbone in dict.fromkeys(answer.backbone for answer in answers):
            whole = choose_across_tasks([a for a in answers if a.backbone == backbone])
            if whole is not None:
                answers.append(whole)
        return Choices(tuple(answers))
