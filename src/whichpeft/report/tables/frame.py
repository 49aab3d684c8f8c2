"""The rows of a report as a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from whichpeft.analysis import KEYS
from whichpeft.analysis.method_result import COUNTS, IDENTITY, Row


def as_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows with a type for each column; unknown values are missing."""
    frame = pd.DataFrame(rows, columns=list(KEYS), dtype=object)
    for key in KEYS:
        if key in COUNTS:
            frame[key] = pd.to_numeric(frame[key]).astype("Int64")
        elif key == "chance" or key not in (*IDENTITY, "verdict", "on_frontier"):
            frame[key] = pd.to_numeric(frame[key]).astype("float64")
    return frame
