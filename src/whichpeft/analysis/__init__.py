"""Plain functions over records: what they say together. Reads facts, runs nothing."""

from whichpeft.analysis.comparison import Comparison, compare, comparisons
from whichpeft.analysis.intervals import CONFIDENCE, Interval, mean_interval
from whichpeft.analysis.rows import KEYS, Row

__all__ = [
    "CONFIDENCE",
    "KEYS",
    "Comparison",
    "Interval",
    "Row",
    "compare",
    "comparisons",
    "mean_interval",
]
