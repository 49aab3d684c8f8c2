"""Scores of trials on each test example, from their stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from whichpeft.errors import RecordError
from whichpeft.metrics.metric import Array, Floats
from whichpeft.metrics.per_example import per_example, per_example_in_sets
from whichpeft.records import Record

Predictions = Callable[[str], Mapping[str, Array] | None]
"""Returns the arrays ``outputs`` and ``labels`` of a trial by its fingerprint; None if it has none."""

# Predictions are stored in single precision, which changes a root mean squared error in the 7th digit.
_SAME_SCORE = 1e-4


class ScoresByExample:
    """Scores of the trials of one group on each test example; reads each trial's predictions once."""

    def __init__(self, predictions: Predictions | None) -> None:
        self._predictions = predictions
        self._found: dict[int, Floats | None] = {}
        self._labels: Array | None = None

    def of(self, records: Sequence[Record]) -> Floats | None:
        """Return scores of shape (records, examples), or None if any of them is unknown."""
        found = [self._of(record) for record in records]
        known = [values for values in found if values is not None]
        return np.stack(known) if known and len(known) == len(found) else None

    def arrays(self, record: Record) -> Mapping[str, Array] | None:
        """Return the arrays of a trial; None if it has none, or they are damaged."""
        try:
            return self._predictions(record.trial.fingerprint) if self._predictions else None
        except RecordError:  # `whichpeft check` reports it
            return None

    def same_examples(self, other: ScoresByExample) -> bool:
        """Return whether two groups were tested on examples with the same labels in the same order.

        With data of one fingerprint these are the same examples. False if labels were not read yet.
        """
        if self._labels is None or other._labels is None:
            return False
        return np.array_equal(self._labels, other._labels)

    def _of(self, record: Record) -> Floats | None:
        # Cached by identity, because a fingerprint is a hash of the whole trial and slow to compute.
        if id(record) not in self._found:
            self._found[id(record)] = self._read(record)
        return self._found[id(record)]

    def _read(self, record: Record) -> Floats | None:
        """Read the scores of one trial; None if their mean is not the recorded score.

        A plug-in task may have its own metric under a name that is known here.
        """
        arrays = self.arrays(record)
        score = record.measurement("score", "test")
        if arrays is None or score is None or not {"labels", "outputs"} <= set(arrays):
            return None
        labels, outputs = arrays["labels"], arrays["outputs"]
        if len(labels) < 2 or len(outputs) != len(labels):
            return None
        if self._labels is None:
            self._labels = labels
        elif not np.array_equal(labels, self._labels):
            return None
        groups = arrays.get("groups")
        if groups is None:
            # Records of F1 of class 1 do not give the number of the class.
            positive = int(arrays.get("positive", 1))
            values = per_example(score.source, labels, outputs, positive=positive)
        else:
            values = per_example_in_sets(score.source, labels, outputs, groups)
        if values is None or not abs(float(values.mean()) - score.value) < _SAME_SCORE:
            return None
        return values
