"""The command line: collects the commands and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from whichpeft.cli import lists
from whichpeft.cli.auto import auto
from whichpeft.cli.check import check
from whichpeft.cli.choose import NOTHING_FITS, choose
from whichpeft.cli.compare import compare_folders
from whichpeft.cli.options import RunFolder
from whichpeft.cli.output import SOME_FAILED, check_format, print_error, print_note
from whichpeft.cli.plan import plan
from whichpeft.cli.predict import predict
from whichpeft.cli.resumable import INTERRUPTED, TERMINATED, leave_at_once
from whichpeft.cli.run import run
from whichpeft.errors import LimitsError, RecordError, RequestError, StudyError, show_debug_log
from whichpeft.units import counted

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_WRONG_PLACE = (errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM)
WRONG_REQUEST = 2

app = typer.Typer(
    help="Which parameter-efficient fine-tuning method should I use, "
    "for this model, this data and this hardware?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from whichpeft import __version__

        print(f"whichpeft {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Which parameter-efficient fine-tuning method should I use, for this model, data and hardware?"""


def main() -> None:
    """Run the command line.

    A wrong request prints one line and exits with code 2, or with code 3 if no method fits its limits. A
    full disk or a wrong path exits with code 1.
    """
    show_debug_log()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "±" is not in every encoding of a terminal
    try:
        app()
    except SystemExit as ended:
        if ended.code in (INTERRUPTED, TERMINATED):
            leave_at_once(int(ended.code))
        raise
    except (RequestError, RecordError) as error:
        print_error(str(error))
        sys.exit(NOTHING_FITS if isinstance(error, LimitsError) else WRONG_REQUEST)
    except OSError as error:
        if error.errno in _CANNOT_WRITE:
            print_error(
                f"{error}; files written before are complete: free some space and run the command again"
            )
        elif error.errno in _WRONG_PLACE and error.filename is not None:
            path = error.filename2 or error.filename
            print_error(f"{path}: cannot be written or read ({error.strerror}); choose another path")
        else:
            raise
        sys.exit(SOME_FAILED)


app.command()(auto)
app.command()(run)


@app.command()
def report(
    folder: RunFolder,
    other: Annotated[
        Path | None, typer.Argument(metavar="[DIR2]", help="A second run folder to compare it with.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, json, csv, markdown or latex.")] = "table",
    html: Annotated[
        Path | None, typer.Option(help="Write the report as a web page to this file.")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="Write a one-page summary for a decision to this file, .html or .pdf."),
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Write the figures to this folder.")] = None,
    bib: Annotated[
        Path | None, typer.Option(help="Write the methods' papers as BibTeX to this file.")
    ] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the rows as Parquet to this file.")] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="Write scores by class, wrong examples and disagreement as JSON to this file."
        ),
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(help="Add published results to a figure: domains or hf-metamathqa."),
    ] = None,
    pscp: Annotated[
        bool, typer.Option("--pscp", help="Add PEFT-Bench's composite of score and costs as a column.")
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Columns of the table, such as score,gap,train-time. May be repeated."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(help="Column to sort the table by, the best first.")
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(help="Methods to show, as written in the study, after commas. May be repeated."),
    ] = None,
) -> None:
    """Print the results of a run folder, or compare two run folders."""
    from whichpeft.report import Report
    from whichpeft.report.tables.layout import Layout, make_layout
    from whichpeft.storage.atomic import write_whole

    if other is not None:
        if any([summary, figures, bib, parquet, answers, published, pscp, columns, sort, methods]):
            raise StudyError(
                "DIR2 works with --format and --html alone; leave it out, or leave out the other options"
            )
        compare_folders(folder, other, format=format, html=html)
        return
    data = {"json": Report.to_json, "csv": Report.to_csv}
    texts = {"markdown": Report.to_markdown, "latex": Report.to_latex}
    check_format(format, ["table", *data, *texts])
    layout = make_layout(columns, sort, methods)
    if layout != Layout() and format in data:
        raise StudyError(
            "--columns, --sort and --methods are for the formats table, markdown and latex; "
            f"{format} has all rows and all columns"
        )
    read = Report.read(folder)
    for message in read.damaged:
        print_error(f"left out: {message}")
    if published is not None and figures is None and html is None:
        raise StudyError("--published draws a figure; add --html FILE or --figures DIR to write it")
    if pscp:
        read = read.with_pscp()
    if html is not None:
        read.write_html(html, published=published)
        print_note(f"Written: {html}")
    if summary is not None:
        read.write_summary(summary)
        print_note(f"Written: {summary}")
    if figures is not None:
        drawn = read.write_figures(figures, published=published)
        print_note(f"Written: {counted(len(drawn), 'file')} in {figures}")
    if bib is not None:
        from whichpeft.methods.bibliography import bibliography

        compared = dict.fromkeys(row["method"] for row in read.rows)
        write_whole(bib, bibliography(layout.methods or compared).encode())
        print_note(f"Written: {bib}")
    if parquet is not None:
        read.write_parquet(parquet)
        print_note(f"Written: {parquet}")
    if answers is not None:
        from whichpeft.report.tables.export import answers_as_json

        write_whole(answers, answers_as_json(read.example_answers).encode())
        print_note(f"Written: {answers}")
    if format == "table":
        read.print(Console(), layout)
    elif format in data:
        print(data[format](read).rstrip("\n"))
    else:
        print(texts[format](read, layout).rstrip("\n"))


for command in (choose, predict, check, plan):
    app.command()(command)
for listing in (lists.methods, lists.tasks, lists.backbones, lists.reference):
    app.command()(listing)
