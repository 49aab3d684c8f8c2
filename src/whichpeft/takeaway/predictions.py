"""Predictions of new data, next to the rows that they are of."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from whichpeft.takeaway.new_data import NewData

_PREDICTION, _PROBABILITY = "prediction", "probability"


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model predicts of each row."""

    data: NewData
    """The rows."""

    answers: tuple[str, ...]
    """Name of the class, value in the units of the label, or written answer, as text."""

    probabilities: tuple[float, ...] = ()
    """Probability of each class or choice, as the model has it; empty without choices."""

    metric: str | None = None
    """Metric of `score`."""

    score: float | None = None
    """Score on the rows that have a label; None without labels."""

    scored: int = 0
    """Number of rows with a label."""

    @property
    def columns(self) -> dict[str, Sequence[object]]:
        """The columns of the rows, then ``prediction`` and, with choices, ``probability``."""
        table = self.data.table
        found: dict[str, Sequence[object]] = {
            table.title(i): column for i, column in enumerate(table.columns)
        }
        found[_free(_PREDICTION, found)] = self.answers
        if self.probabilities:
            found[_free(_PROBABILITY, found)] = [f"{one:.4f}" for one in self.probabilities]
        return found

    def to_csv(self) -> str:
        """Return the rows with their predictions as CSV."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return written.getvalue()


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name for a new column that no column has."""
    return name if name not in taken else _free(f"predicted {name}", taken)
