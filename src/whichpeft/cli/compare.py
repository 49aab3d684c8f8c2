"""`whichpeft report DIR DIR2`: compares two run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from whichpeft.cli.output import check_format


def compare_folders(first: Path, second: Path, *, format: str, html: Path | None) -> None:
    """Print two run folders side by side, and write them as a web page if `html` is given."""
    from whichpeft.analysis import compare_studies
    from whichpeft.report import Report
    from whichpeft.report.tables import two_studies
    from whichpeft.report.tables import two_studies_text as text
    from whichpeft.storage.atomic import write_whole

    writers = {
        "json": two_studies.as_json,
        "csv": two_studies.as_csv,
        "markdown": text.as_markdown,
        "latex": text.as_latex,
    }
    check_format(format, ["table", *writers])
    read = [Report.read(folder) for folder in (first, second)]
    two = compare_studies(*((report.study, report.comparisons) for report in read))
    if two.names[0] == two.names[1]:
        two = replace(two, names=(str(first), str(second)))
    if html is not None:
        write_whole(html, text.as_html(two).encode())
    if format == "table":
        text.print_two(two, Console())
    else:
        print(writers[format](two).rstrip("\n"))
