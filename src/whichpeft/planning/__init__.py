"""From a study to trials, refusals and searches."""

from whichpeft.planning.meta_model import MetaModel, build_meta_model, treats_layers_alike
from whichpeft.planning.plan import Cell, StudyPlan, make_plan
from whichpeft.planning.probing import probe
from whichpeft.planning.tuning import SearchPlan, bar, make_search, rungs

__all__ = [
    "Cell",
    "MetaModel",
    "SearchPlan",
    "StudyPlan",
    "bar",
    "build_meta_model",
    "make_plan",
    "make_search",
    "probe",
    "rungs",
    "treats_layers_alike",
]
