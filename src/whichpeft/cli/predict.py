"""`whichpeft predict`: predicts new data with a method that was taken away."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from whichpeft.cli.options import Device, TextColumn
from whichpeft.cli.output import print_note
from whichpeft.units import counted, points

if TYPE_CHECKING:
    from whichpeft.takeaway.predictions import Predictions

_STDOUT = Path("-")
_HALF = 0.5


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
    from whichpeft.takeaway.predict import predict as predict_rows

    found = predict_rows(folder, data, text_columns=tuple(text_column or ()), device=device)
    if out is None:
        _print(found)
    elif out == _STDOUT:
        print(found.to_csv(), end="")
    else:
        from whichpeft.storage.atomic import write_whole

        write_whole(out, found.to_csv().encode())
        print_note(f"Written: {out}, {counted(len(found.answers), 'row')}")
    if found.score is not None:
        shown, what = points(found.score), "sentence" if found.data.lengths else "row"
        print_note(f"{found.metric} on {counted(found.scored, what)} with a label: {shown:.1f} points")


def _print(found: Predictions) -> None:
    """Print one line per row: the prediction, its probability, and the input cut to the terminal."""
    console = Console()
    width = max(map(len, ("prediction", *found.answers)))
    console.print(Text(_line("prediction", "probability", "input", width, found)), soft_wrap=True)
    ends = set(itertools.accumulate(found.data.lengths))
    for row, (answer, chance, shown) in enumerate(
        zip(found.answers, _chances(found), found.data.shown, strict=True)
    ):
        if row in ends:
            console.print()
        line = Text(_line(" ".join(answer.split()), chance, " ".join(shown.split()), width, found))
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
