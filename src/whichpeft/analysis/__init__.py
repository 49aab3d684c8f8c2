"""Functions that analyse the records of a study together. They read records and run nothing."""

from whichpeft.analysis.across_tasks import AcrossTasks, across_tasks, signed_rank
from whichpeft.analysis.budget_curve import curve_of
from whichpeft.analysis.comparison import Comparison, compare, comparisons
from whichpeft.analysis.example_scores import Predictions
from whichpeft.analysis.method_result import KEYS, MethodResult
from whichpeft.analysis.pscp import pscp, with_pscp
from whichpeft.analysis.search import Search
from whichpeft.analysis.sensitivity import sensitivity_of
from whichpeft.analysis.statistics.compare_methods import compare_methods
from whichpeft.analysis.statistics.gap import MARGIN, Gap, paired_gap
from whichpeft.analysis.statistics.holm import holm
from whichpeft.analysis.statistics.intervals import CONFIDENCE, Interval, mean_interval
from whichpeft.analysis.statistics.random_effects import draw_scores
from whichpeft.analysis.two_studies import MethodChange, TwoStudies, compare_studies
from whichpeft.metrics.per_example import per_example

__all__ = [
    "CONFIDENCE",
    "KEYS",
    "MARGIN",
    "AcrossTasks",
    "Comparison",
    "Gap",
    "Interval",
    "MethodChange",
    "MethodResult",
    "Predictions",
    "Search",
    "TwoStudies",
    "across_tasks",
    "compare",
    "compare_methods",
    "compare_studies",
    "comparisons",
    "curve_of",
    "draw_scores",
    "holm",
    "mean_interval",
    "paired_gap",
    "per_example",
    "pscp",
    "sensitivity_of",
    "signed_rank",
    "with_pscp",
]
