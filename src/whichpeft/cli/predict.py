"""`whichpeft predict`: predicts new data with a method that was taken away."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from whichpeft.cli.options import Device, TextColumn
from whichpeft.cli.output import print_note
from whichpeft.errors import StudyError
from whichpeft.units import counted, join_words, points

if TYPE_CHECKING:
    from whichpeft.takeaway.predictions import Predictions

_STDOUT = Path("-")
_HALF = 0.5
_MOST_NAMED = 3


def predict(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `choose --write` or `auto --write` left.")
    ],
    data: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file with the study's columns, or images.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a CSV file instead of a table; - for standard output."),
    ] = None,
    text_column: TextColumn = None,
    device: Device = "auto",
) -> None:
    """Predict each row of a file, or each image in a folder: class, labels, value, tags or answer."""
    if out is not None and out.is_dir():
        raise StudyError(f"--out: {out} is a folder; name a file")
    if out is not None and out.exists() and data.exists() and out.samefile(data):
        raise StudyError(f"--out: {out} is the file that is read; name another")
    from whichpeft.takeaway.predict import predict as predict_rows

    found = predict_rows(folder, data, text_columns=tuple(text_column or ()), device=device)
    for note in found.data.table.notes:
        print_note(f"note: {note}")
    if out is None:
        _print(found)
    elif out == _STDOUT:
        print(found.to_csv(), end="")
    else:
        from whichpeft.storage.atomic import write_whole

        write_whole(out, found.to_csv().encode())
        print_note(f"Written: {out}, {counted(len(found.answers), 'row')}")
    for line in _score(found):
        print_note(line)


def _score(found: Predictions) -> Iterator[str]:
    """Yield the score, and which labels it leaves out."""
    from whichpeft.report.text import plain

    if found.score is not None:
        rows = f"{counted(found.scored, 'sentence' if found.data.lengths else 'row')} with a label"
        if found.unknown:
            rows = f"{found.scored} of {found.scored + len(found.unknown)} rows with a label"
        yield f"{found.metric} on {rows}: {points(found.score):.1f} points"
    if found.unknown:
        names = join_words(map(repr, dict.fromkeys(found.unknown)), most=_MOST_NAMED)
        have = "row has a label" if len(found.unknown) == 1 else "rows have labels"
        yield f"note: {len(found.unknown)} {have} that the model does not know: {plain(names)}"


def _print(found: Predictions) -> None:
    """Print one line per row: the prediction, its probability, and the input cut to the terminal."""
    from whichpeft.report.text import plain

    console = Console()
    width = max(len(plain(answer)) for answer in ("prediction", *found.answers))
    console.print(Text(_line("prediction", "probability", "input", width, found)), soft_wrap=True)
    ends = set(itertools.accumulate(found.data.lengths))
    for row, (answer, chance, shown) in enumerate(
        zip(found.answers, _chances(found), found.data.shown, strict=True)
    ):
        if row in ends:
            console.print()
        line = Text(_line(plain(answer), chance, plain(shown), width, found))
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)


def _chances(found: Predictions) -> list[str]:
    """Return the probability of each answer; of several labels, that of each one."""
    if found.by_label:
        rows = zip(*found.by_label.values(), strict=True)
        return [", ".join(f"{chance:.2f}" for chance in row if chance > _HALF) for row in rows]
    chances = ["" if math.isnan(chance) else f"{chance:.2f}" for chance in found.probabilities]
    return chances or [""] * len(found.answers)


def _line(answer: str, chance: str, shown: str, width: int, found: Predictions) -> str:
    middle = f"  {chance:>11}" if found.probabilities or found.by_label else ""
    return f"{answer:<{width}}{middle}  {shown}"
