"""The commands: parse and print, nothing else."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from whichpeft.cli import lists
from whichpeft.cli.check import check
from whichpeft.cli.choose import choose
from whichpeft.cli.compare import compare_folders
from whichpeft.cli.output import check_format
from whichpeft.cli.plan import plan
from whichpeft.cli.run import SOME_FAILED, run
from whichpeft.errors import RecordError, RequestError, StudyError, show_debug_log, without_secrets

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


def main() -> None:
    """Run the command line; a wrong request is one line and exit code 2, a full disk one and 1."""
    show_debug_log()
    try:
        app()
    except (RequestError, RecordError) as error:
        _complain(str(error))
        sys.exit(WRONG_REQUEST)
    except OSError as error:
        if error.errno in _CANNOT_WRITE:
            _complain(
                f"{error}; what was written before is whole: make room, then run the same command again"
            )
        elif error.errno in _WRONG_PLACE and error.filename is not None:
            path = error.filename2 or error.filename
            _complain(f"{path}: cannot be written or read there ({error.strerror}); name another place")
        else:
            raise
        sys.exit(SOME_FAILED)


def _complain(what: str) -> None:
    Console(stderr=True).print(Text(f"whichpeft: {without_secrets(what)}"), soft_wrap=True)


app.command()(run)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="[DIR2]", help="Another, to be laid beside the first.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, json, csv, markdown or latex.")] = "table",
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Write the figures into this folder.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the rows as Parquet here.")] = None,
    published: Annotated[
        str | None,
        typer.Option(help="Draw these published results beside it: domains or hf-metamathqa."),
    ] = None,
    pscp: Annotated[
        bool, typer.Option("--pscp", help="PEFT-Bench's composite of score and costs as a column.")
    ] = False,
) -> None:
    """Show what a run folder says, or what changed from one to another."""
    from whichpeft.report import Report

    if other is not None:
        if figures is not None or parquet is not None or published is not None or pscp:
            raise StudyError(
                "--figures, --parquet, --published and --pscp are of one run folder; give one DIR"
            )
        compare_folders(folder, other, format=format, html=html)
        return
    writers = {
        "json": Report.to_json,
        "csv": Report.to_csv,
        "markdown": Report.to_markdown,
        "latex": Report.to_latex,
    }
    check_format(format, ["table", *writers])
    read = Report.read(folder)
    for what in read.damaged:
        _complain(f"left out: {what}")
    if published is not None and figures is None and html is None:
        raise StudyError(
            "--published draws a figure; say with --html FILE or --figures DIR where it goes"
        )
    if pscp:
        read = read.with_pscp()
    if html is not None:
        read.write_html(html, published=published)
    if figures is not None:
        read.write_figures(figures, published=published)
    if parquet is not None:
        read.write_parquet(parquet)
    if format == "table":
        read.print(Console())
    else:
        print(writers[format](read).rstrip("\n"))


for command in (choose, check, plan):
    app.command()(command)
for listing in (lists.methods, lists.tasks, lists.backbones, lists.reference):
    app.command()(listing)
