"""Turns a study into trials, refusals and searches."""

from whichpeft.planning.meta_model import (
    FEW_LAYERS,
    MetaModel,
    build_meta_model,
    layers_are_alike,
    treats_layers_alike,
    why_untold,
)
from whichpeft.planning.plan import Cell, StudyPlan, make_plan
from whichpeft.planning.probing import probe
from whichpeft.planning.tuning import SearchPlan, make_search, rung_threshold, rungs

__all__ = [
    "FEW_LAYERS",
    "Cell",
    "MetaModel",
    "SearchPlan",
    "StudyPlan",
    "build_meta_model",
    "layers_are_alike",
    "make_plan",
    "make_search",
    "probe",
    "rung_threshold",
    "rungs",
    "treats_layers_alike",
    "why_untold",
]
