"""From a study to trials and refusals."""

from whichpeft.planning.plan import Cell, Plan, make_plan
from whichpeft.planning.sketch import Sketch, make_sketch, probe, treats_layers_alike

__all__ = ["Cell", "Plan", "Sketch", "make_plan", "make_sketch", "probe", "treats_layers_alike"]
