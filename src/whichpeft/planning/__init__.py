"""From a study to trials, refusals and searches."""

from whichpeft.planning.plan import Cell, Plan, make_plan
from whichpeft.planning.sketch import Sketch, make_sketch, probe, treats_layers_alike
from whichpeft.planning.tuning import Search, bar, make_search, rungs

__all__ = [
    "Cell",
    "Plan",
    "Search",
    "Sketch",
    "bar",
    "make_plan",
    "make_search",
    "make_sketch",
    "probe",
    "rungs",
    "treats_layers_alike",
]
