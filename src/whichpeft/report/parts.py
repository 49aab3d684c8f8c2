"""The parts of a report, as its user reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.analysis import AcrossTasks, Comparison
from whichpeft.analysis.across_backbones import AcrossBackbones
from whichpeft.analysis.method_result import Row
from whichpeft.records import Race, Reading, Record
from whichpeft.report.contents import ReportContents
from whichpeft.report.tables.reading import reading_notes
from whichpeft.report.tables.statistics_text import statistics_sentences
from whichpeft.study import Study

if TYPE_CHECKING:
    from whichpeft.analysis.answers.summary import ExampleAnswers
    from whichpeft.report.answer import ShortAnswer


class ReportParts:
    """What a report consists of; `whichpeft.report.report.Report` reads, prints and writes it."""

    contents: ReportContents
    """The study, its records, and the results computed from them."""

    damaged: tuple[str, ...]
    """Why records could not be read; these are left out."""

    @property
    def study(self) -> Study:
        """The study."""
        return self.contents.study

    @property
    def study_text(self) -> str:
        """The text of the study file."""
        return self.contents.study_text

    @property
    def records(self) -> tuple[Record, ...]:
        """The records, in any order."""
        return self.contents.records

    @property
    def reading(self) -> Reading | None:
        """What was read of the data and the backbones; None if an old folder does not say."""
        return self.contents.reading

    @property
    def race(self) -> Race | None:
        """What a race between the methods decided; None if there was none."""
        return self.contents.race

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """One comparison per backbone and task."""
        return self.contents.comparisons

    @property
    def across(self) -> list[AcrossTasks]:
        """How methods compare over all tasks, for each backbone with several tasks."""
        return self.contents.across

    @property
    def backbones(self) -> list[AcrossBackbones]:
        """How gaps change with the size of the backbone, for each task with several backbones."""
        return self.contents.backbones

    @property
    def answers(self) -> list[ShortAnswer]:
        """Short answers to "which method?": per backbone and task, then over the tasks of a backbone."""
        return self.contents.answers

    @property
    def example_answers(self) -> list[ExampleAnswers]:
        """Scores by class, wrong examples and disagreement, per backbone and task."""
        return [one for one in self.contents.answered if one is not None]

    @property
    def rows(self) -> list[Row]:
        """One dict per backbone, task and method, with the keys of `table`."""
        return [result.as_row() for comparison in self.comparisons for result in comparison.results]

    @property
    def statistics(self) -> list[str]:
        """The statistics of each comparison in sentences for a paper."""
        return [" ".join(statistics_sentences(comparison)) for comparison in self.comparisons]

    @property
    def notes(self) -> list[str]:
        """Sentences about records that could not be read or compared, and about the data."""
        of_comparisons = (note for c in self.comparisons for note in c.notes)
        return [*self.damaged, *of_comparisons, *reading_notes(self.reading)]
