"""Report: what the records of a study say together; what `run` returns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from whichpeft.analysis import KEYS, Comparison, Predictions, Row, comparisons
from whichpeft.analysis.rows import COUNTS, IDENTITY
from whichpeft.records import Record, Store
from whichpeft.report import formats
from whichpeft.study import Study, dump_study

if TYPE_CHECKING:
    from rich.console import Console


class Report:
    """What the records of a study say together.

    study: the question. records: the facts, in any order. study_text: the study as its file has
    it, to be shown; written from `study` where not given. predictions: gives a trial's arrays by
    its fingerprint, so that intervals hold for other test examples too.
    """

    def __init__(
        self,
        study: Study,
        records: Iterable[Record],
        *,
        study_text: str | None = None,
        predictions: Predictions | None = None,
    ) -> None:
        self.study = study
        self.records = tuple(records)
        self.study_text = dump_study(study) if study_text is None else study_text
        self.comparisons: list[Comparison] = comparisons(study, self.records, predictions=predictions)

    @classmethod
    def read(cls, folder: Path) -> Report:
        """Read a run folder.

        Raises FolderError where it holds no study, and RecordError at a damaged record.
        """
        store = Store(Path(folder))
        study = store.study()
        return cls(
            study,
            store,
            study_text=store.study_file.read_text(encoding="utf-8"),
            predictions=store.predictions,
        )

    @property
    def rows(self) -> list[Row]:
        """Return one dict for each backbone, task and method, with the keys of `table`."""
        return [row for comparison in self.comparisons for row in comparison.rows]

    @property
    def notes(self) -> list[str]:
        """Return sentences about records that could not be compared and were kept apart."""
        return [note for comparison in self.comparisons for note in comparison.notes]

    def table(self) -> pd.DataFrame:
        """Return the rows as a DataFrame: scores and gaps as fractions, unknown as missing."""
        frame = pd.DataFrame(self.rows, columns=list(KEYS), dtype=object)
        for key in KEYS:
            if key in COUNTS:
                frame[key] = pd.to_numeric(frame[key]).astype("Int64")
            elif key == "chance" or key not in (*IDENTITY, "verdict", "on_frontier"):
                frame[key] = pd.to_numeric(frame[key]).astype("float64")
        return frame

    def to_json(self) -> str:
        """Write the rows as a JSON list of objects; unknown is null."""
        return formats.as_json(self.rows)

    def to_csv(self) -> str:
        """Write the rows as CSV; unknown is empty."""
        return formats.as_csv(self.rows)

    def to_markdown(self) -> str:
        """Write the table that the terminal shows as Markdown."""
        return formats.as_markdown(self.comparisons)

    def to_latex(self) -> str:
        """Write the table that the terminal shows as LaTeX, with booktabs."""
        return formats.as_latex(self.comparisons)

    def print(self, console: Console | None = None) -> None:
        """Print the table, the failures with their reasons and the notes."""
        from rich.console import Console

        from whichpeft.report.terminal import print_comparisons

        print_comparisons(self.comparisons, console or Console())

    def write_html(self, path: Path) -> None:
        """Write one page with table and figures that opens without a network."""
        from whichpeft.records.files import write_whole
        from whichpeft.report.page import page

        write_whole(Path(path), page(self).encode())

    def write_figures(self, folder: Path) -> list[Path]:
        """Write every figure as PNG, SVG and PDF into a folder; return the files."""
        from whichpeft.report.figures import PRINT, figures
        from whichpeft.report.render import save, slugs

        several = len(self.comparisons) > 1
        names = slugs([f"{c.backbone}-{c.task}" for c in self.comparisons])
        written = []
        for name, comparison in zip(names, self.comparisons, strict=True):
            for stem, figure in figures(comparison, PRINT).items():
                whole = f"{name}-{stem}" if several else stem
                written += save(figure.chart, Path(folder), whole)
        return written

    def _repr_html_(self) -> str:
        from whichpeft.report.page import tables

        return tables(self)
