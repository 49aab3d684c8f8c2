"""Plain functions over records: what they say together. Reads facts, runs nothing."""

from whichpeft.analysis.comparison import Comparison, compare, comparisons
from whichpeft.analysis.effects import draw_scores
from whichpeft.analysis.gap import MARGIN, Gap, paired_gap
from whichpeft.analysis.intervals import CONFIDENCE, Interval, mean_interval
from whichpeft.analysis.multiplicity import holm
from whichpeft.analysis.per_example import per_example
from whichpeft.analysis.rows import KEYS, Row
from whichpeft.analysis.verdicts import Predictions

__all__ = [
    "CONFIDENCE",
    "KEYS",
    "MARGIN",
    "Comparison",
    "Gap",
    "Interval",
    "Predictions",
    "Row",
    "compare",
    "comparisons",
    "draw_scores",
    "holm",
    "mean_interval",
    "paired_gap",
    "per_example",
]
