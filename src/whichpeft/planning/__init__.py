"""From a study to trials and refusals."""

from whichpeft.planning.plan import Cell, Plan, make_plan

__all__ = ["Cell", "Plan", "make_plan"]
