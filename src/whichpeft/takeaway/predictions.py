"""Predictions of new data, next to the rows that they are of."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from whichpeft.takeaway.new_data import NewData

_PREDICTION, _PROBABILITY = "prediction", "probability"
BETWEEN = "|"
"""What stands between the labels of an input that has several."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model predicts of each row."""

    data: NewData
    """The rows."""

    answers: tuple[str, ...]
    """Name of the class, value in the units of the label, or written answer, as text.

    Of several labels, their names with `BETWEEN` between them; of words, one answer per word.
    """

    probabilities: tuple[float, ...] = ()
    """Probability of each class or choice, as the model has it; empty without choices.

    It is NaN for words beyond what the model reads.
    """

    by_label: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Probability of each label, if an input may have several."""

    metric: str | None = None
    """Metric of `score`."""

    score: float | None = None
    """Score on the rows that have a label; None without labels."""

    scored: int = 0
    """Number of rows, or sentences, that the score is of."""

    unknown: tuple[str, ...] = ()
    """Labels of the other rows that have one: classes that the model does not know."""

    @property
    def columns(self) -> dict[str, Sequence[object]]:
        """The columns of the rows, then ``prediction`` and, with choices, ``probability``.

        If an input may have several labels, there is a ``probability of`` each.
        """
        table = self.data.table
        found: dict[str, Sequence[object]] = {
            table.title(i): column for i, column in enumerate(table.columns)
        }
        found[_free(_PREDICTION, found)] = self.answers
        if self.probabilities:
            found[_free(_PROBABILITY, found)] = [*map(_shown, self.probabilities)]
        for name, chances in self.by_label.items():
            found[_free(f"{_PROBABILITY} of {name}", found)] = [*map(_shown, chances)]
        return found

    def to_csv(self) -> str:
        """Return the rows with their predictions as CSV."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return written.getvalue()


def _shown(probability: float) -> str:
    return "" if math.isnan(probability) else f"{probability:.4f}"


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name for a new column that no column has."""
    return name if name not in taken else _free(f"predicted {name}", taken)
