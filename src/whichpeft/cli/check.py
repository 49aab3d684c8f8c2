"""`whichpeft check`: checks a run folder and prints the findings."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from whichpeft.cli.options import RunFolder
from whichpeft.cli.output import check_format
from whichpeft.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whichpeft.analysis.check.findings import Finding

PROBLEMS = 1


def check(
    folder: RunFolder,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Check that the records of a run folder are complete, comparable and what they seem.

    Exits with code 1 if there are problems.
    """
    from whichpeft.analysis.check.check import check as check_records
    from whichpeft.analysis.check.check import problems_first
    from whichpeft.records import Store

    check_format(format, ["text", "json"])
    store = Store(folder)
    study = store.study()
    reading = store.reading()
    findings = check_records(
        study,
        store.each(),
        predictions=store.predictions,
        curves=store.curve_rows,
        reading=reading,
        race=store.race(),
    )
    if reading is None or reading.earlier_records:
        from whichpeft.running.recheck.recheck import recheck

        findings = problems_first([*findings, *recheck(store)])
    if format == "json":
        print(json.dumps([finding.as_row() for finding in findings], indent=1))
    else:
        _print(findings, len(store.fingerprints()), Console())
    if any(finding.severity == "problem" for finding in findings):
        sys.exit(PROBLEMS)


def _print(findings: Sequence[Finding], records: int, console: Console) -> None:
    from whichpeft.report.text import plain

    styles = {"problem": "red", "note": "yellow"}
    for finding in findings:
        place = " on ".join(filter(None, (finding.backbone, finding.task))) or None
        seed = None if finding.seed is None else f"seed {finding.seed}"
        subject = ", ".join(str(part) for part in (place, finding.method, seed) if part is not None)
        text = f"{subject}: {finding.what}" if subject else finding.what
        file = f" ({finding.file})" if finding.file else ""
        console.print(
            Text.assemble(
                (f"{finding.severity:7}  ", styles[finding.severity]),
                plain(f"{text}{file}. Fix: {finding.fix}."),
            )
        )
    by_kind = [counted(sum(f.severity == kind for f in findings), kind) for kind in styles]
    console.print(Text(f"{counted(records, 'record')}: {', '.join(by_kind)}", style="bold"))
