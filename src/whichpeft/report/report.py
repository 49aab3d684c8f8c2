"""The report of a study, which `run` returns."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.analysis import Predictions, comparisons, with_pscp
from whichpeft.analysis.learning_curves import Curves
from whichpeft.analysis.race.from_records import compare_finalists
from whichpeft.errors import NewerRecord, RecordError
from whichpeft.records import ExampleTexts, Race, Reading, Record, Store
from whichpeft.report.contents import ReportContents
from whichpeft.report.files import ReportFiles
from whichpeft.report.tables import export as formats
from whichpeft.report.tables.frame import as_frame
from whichpeft.report.tables.latex import as_latex
from whichpeft.report.tables.layout import Layout
from whichpeft.report.tables.reading import reading_notes
from whichpeft.study import Study, dump_study

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from whichpeft.report.choices import Choices


class Report(ReportFiles):
    """The results of a study: tables, figures, answers and choices.

    Parameters
    ----------
    study
        The study.
    records
        Its records, in any order.
    study_text
        The text of the study file, to be shown; written from `study` by default.
    predictions
        Returns a trial's arrays by its fingerprint. With them, intervals also cover other test examples.
    curves
        Returns a trial's learning curve by its fingerprint.
    damaged
        Why records could not be read; these are left out.
    reading
        What was read of the data and the backbones, if it was kept.
    race
        What a race between the methods decided. Its report compares the finalists.
    folder
        The run folder, for the commands that answers name.
    texts
        Excerpts of the test examples, if they were kept.
    """

    def __init__(
        self,
        study: Study,
        records: Iterable[Record],
        *,
        study_text: str | None = None,
        predictions: Predictions | None = None,
        curves: Curves | None = None,
        damaged: Iterable[str] = (),
        reading: Reading | None = None,
        race: Race | None = None,
        folder: Path | None = None,
        texts: Iterable[ExampleTexts] = (),
    ) -> None:
        records = tuple(records)
        if race is None:
            found = comparisons(study, records, predictions=predictions, curves=curves)
        else:
            found = compare_finalists(study, race, records, predictions=predictions, curves=curves)
        self.contents = ReportContents(
            study=study,
            study_text=dump_study(study) if study_text is None else study_text,
            records=records,
            comparisons=tuple(found),
            reading=reading,
            race=race,
            folder=folder,
            texts=tuple(texts),
        )
        self.damaged = tuple(damaged)

    @classmethod
    def read(cls, folder: Path | str) -> Report:
        """Read a run folder; damaged records are left out and listed in `notes`.

        Parameters
        ----------
        folder
            The run folder, such as ``whichpeft-runs/default``.

        Raises
        ------
        FolderError
            If the folder has no study.
        NewerRecord
            If a record was written by a later version.
        """
        return cls.from_store(Store(Path(folder)))

    @classmethod
    def from_store(cls, store: Store) -> Report:
        """Read a run folder as `read` does; records that the store has parsed are not parsed again."""
        study, race = store.study(), store.race()
        found = list(store.each())
        for error in found:
            if isinstance(error, NewerRecord):
                raise error
        return cls(
            study,
            [record for record in found if isinstance(record, Record)],
            damaged=[str(error) for error in found if isinstance(error, RecordError)],
            study_text=store.study_file.read_text(encoding="utf-8"),
            predictions=store.predictions,
            curves=store.curve_rows,
            reading=store.reading(),
            race=None if race is None else replace(race, seconds=store.race_seconds()),
            folder=store.folder,
            texts=store.example_texts(),
        )

    def table(self) -> pd.DataFrame:
        """Return the rows as a DataFrame; scores and gaps are fractions, unknown values are missing."""
        return as_frame(self.rows)

    def with_pscp(self) -> Report:
        """Return the same report with PEFT-Bench's composite of score and costs in its tables."""
        found = copy.copy(self)
        found.contents = replace(self.contents, comparisons=tuple(map(with_pscp, self.comparisons)))
        return found

    def choose(
        self,
        *,
        max_memory: str | None = None,
        max_trainable: str | None = None,
        max_adapter_size: str | None = None,
        max_latency: str | None = None,
        max_train_time: str | None = None,
        by: str = "time",
        margin: float = 2.0,
    ) -> Choices:
        """Choose the cheapest method that is at most a margin worse than the best allowed one.

        The same records and constraints always give the same answer.

        Parameters
        ----------
        max_memory
            Limit of the peak training memory, such as ``6GB``.
        max_trainable
            Limit of the trained share of the model's parameters, such as ``1%``.
        max_adapter_size
            Limit of the adapter's size on disk, such as ``5MB``.
        max_latency
            Limit of the inference time per example, such as ``20ms``.
        max_train_time
            Limit of the training time of one trial, such as ``10m``.
        by
            Cost to minimise: time, trainable, memory, adapter-size or latency.
        margin
            Score that you accept to lose, in points.

        Returns
        -------
        Choices
            One answer per backbone and task, then one per backbone over all of its tasks.

        Raises
        ------
        StudyError
            If a limit cannot be read.
        """
        from whichpeft.analysis.choice.constraints import read_constraints

        constraints = read_constraints(
            max_memory=max_memory,
            max_trainable=max_trainable,
            max_adapter_size=max_adapter_size,
            max_latency=max_latency,
            max_train_time=max_train_time,
            by=by,
            margin=margin,
        )
        return self.contents.choose(constraints)

    def to_json(self) -> str:
        """Return the rows as a JSON list of objects; unknown values are null."""
        return formats.as_json(self.rows)

    def to_csv(self) -> str:
        """Return the rows as CSV; unknown values are empty."""
        return formats.as_csv(self.rows)

    def to_markdown(self, layout: Layout | None = None) -> str:
        """Return the terminal's table as Markdown, with the columns and methods of a layout."""
        return formats.as_markdown(self.comparisons, reading_notes(self.reading), layout)

    def to_latex(self, layout: Layout | None = None) -> str:
        """Return tables for a paper as LaTeX with booktabs; six columns by default, to fit a column."""
        return as_latex(self.comparisons, layout)

    def print(self, console: Console | None = None, layout: Layout | None = None) -> None:
        """Print the tables with failures and notes, the results over all tasks, and the answers."""
        from rich.console import Console

        from whichpeft.report.answer import print_answers
        from whichpeft.report.tables.across_tasks import print_across
        from whichpeft.report.tables.terminal import print_comparisons, print_notes

        console = console or Console()
        print_comparisons(self.comparisons, console, layout)
        print_notes(reading_notes(self.reading), console)
        print_across(self.across, console)
        print_answers(self.answers, console)

    def _repr_html_(self) -> str:
        from whichpeft.report.page.page import tables

        return tables(self.contents)
