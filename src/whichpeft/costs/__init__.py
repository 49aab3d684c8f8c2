"""What training would cost, from shapes alone: parameters, memory, FLOPs, file sizes, time."""

from whichpeft.costs.estimate import Costs, Question, estimate_costs, largest_batch
from whichpeft.costs.memory import Footprint
from whichpeft.costs.speed import measure_speed

__all__ = ["Costs", "Footprint", "Question", "estimate_costs", "largest_batch", "measure_speed"]
