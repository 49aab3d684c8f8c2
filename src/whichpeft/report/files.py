"""The files that a report is written to: page, summary, figures, Parquet."""

from __future__ import annotations

from pathlib import Path

from whichpeft.errors import StudyError
from whichpeft.report.parts import ReportParts
from whichpeft.storage.atomic import write_whole


class ReportFiles(ReportParts):
    """A report that is written to files; `whichpeft.report.report.Report` reads and prints it."""

    def write_parquet(self, path: Path) -> None:
        """Write the rows as a Parquet file with typed columns and the study in its metadata."""
        from whichpeft.report.tables.parquet import as_parquet

        write_whole(Path(path), as_parquet(self.rows, study=self.study_text))

    def write_html(self, path: Path, *, published: str | None = None) -> None:
        """Write the HTML page, which opens without a network.

        Parameters
        ----------
        path
            The file to write.
        published
            A published table, as for `write_figures`.

        Raises
        ------
        RequestError
            If the published table does not report retention of full fine-tuning.
        """
        from whichpeft.report.page.page import page
        from whichpeft.report.published.overlay import check_published

        table = None if published is None else check_published(published)
        write_whole(Path(path), page(self.contents, table).encode())

    def write_summary(self, path: Path) -> None:
        """Write a summary for a decision, which prints on one page.

        Parameters
        ----------
        path
            The file to write: ``.html``, or ``.pdf`` if this machine has Chromium, Chrome or Edge.

        Raises
        ------
        StudyError
            If the file has another ending, or if no browser can print it.
        """
        from whichpeft.report.page.pdf import write_pdf
        from whichpeft.report.page.summary import summary

        path = Path(path)
        ending = path.suffix.lower()
        if ending not in (".html", ".htm", ".pdf"):
            raise StudyError(f"{path}: name a file that ends with .html or .pdf for the summary")
        html = summary(self.contents)
        if ending == ".pdf":
            write_pdf(html, path)
        else:
            write_whole(path, html.encode())

    def write_figures(self, folder: Path, *, published: str | None = None) -> list[Path]:
        """Write every figure as PNG, SVG and PDF, and its data as CSV.

        The figures fit the width of a page. The sub-folder ``column`` has them for one column of two.
        The drawings have no titles; ``captions.md`` has a title and a caption for each.

        Parameters
        ----------
        folder
            The folder to write into.
        published
            A published table; one more figure per comparison overlays it with this study's results.

        Returns
        -------
        list of Path
            The files that were written.

        Raises
        ------
        RequestError
            If the published table does not report retention of full fine-tuning.
        """
        from whichpeft.report.figure_set import write_all
        from whichpeft.report.published.overlay import check_published

        table = None if published is None else check_published(published)
        return write_all(self.contents, Path(folder), table)
