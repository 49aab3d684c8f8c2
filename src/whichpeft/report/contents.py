"""The contents of a report before they are printed, drawn or written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whichpeft.analysis import AcrossTasks, Comparison, across_tasks
from whichpeft.analysis.across_backbones import AcrossBackbones, across_backbones
from whichpeft.records import ExampleTexts, Race, Reading, Record
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.analysis.answers.summary import ExampleAnswers
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

    folder: Path | None = None
    """The run folder, as its reader wrote it; None if the records were not read from one."""

    race: Race | None = None
    """What a race between the methods decided; None if there was none."""

    texts: tuple[ExampleTexts, ...] = ()
    """Excerpts of the test examples, as far as they were kept."""

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

        if self.course is not None:
            return list(self.choose(self.course.constraints).told)
        found = self.choose(read_constraints())
        if found.answers and all(answer.chosen for answer in found.answers):
            return list(found.told)
        # Times require a profile; the number of trained parameters is known for every trial.
        others = self.choose(read_constraints(by="trainable"))
        return [
            own if own.method or not other.method else other
            for own, other in zip(found.told, others.told, strict=True)
        ]

    @cached_property
    def answered(self) -> list[ExampleAnswers | None]:
        """How methods answered the test examples, per comparison; None if it is not known."""
        from whichpeft.analysis.answers.summary import example_answers

        chosen = {(a.backbone, a.tasks): a.method for a in self.answers}
        return [
            example_answers(
                comparison,
                chosen.get((comparison.backbone, (comparison.task,))),
                reading=self.reading,
                texts=self.texts,
            )
            for comparison in self.comparisons
        ]

    def choose(self, constraints: Constraints) -> Choices:
        """Choose a method under constraints; see `Report.choose`."""
        from whichpeft.analysis.choice.choice import choose, choose_across_tasks
        from whichpeft.report.answer import short_answers
        from whichpeft.report.choices import Choices
        from whichpeft.report.race.short_answer import race_answer

        rng = np.random.default_rng(0)
        answers = [choose(comparison, constraints, rng=rng) for comparison in self.comparisons]
        for backbone in dict.fromkeys(answer.backbone for answer in answers):
            whole = choose_across_tasks([a for a in answers if a.backbone == backbone])
            if whole is not None:
                answers.append(whole)
        if self.course is None:
            told = short_answers(
                self.study, self.comparisons, answers, folder=self.folder, reading=self.reading
            )
        else:
            told = [
                race_answer(self.course, answer, comparison, folder=self.folder, reading=self.reading)
                for answer, comparison in zip(answers, self.comparisons, strict=True)
            ] or [race_answer(self.course, None, None, folder=self.folder, reading=self.reading)]
        return Choices(tuple(answers), tuple(told))
