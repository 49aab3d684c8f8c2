"""Estimates what training costs from shapes alone: parameters, memory, FLOPs, file sizes, time."""

from whichpeft.costs.memory import Footprint
from whichpeft.costs.method_estimate import Costs, count_flops, estimate_costs, largest_batch
from whichpeft.costs.query import CostQuery
from whichpeft.costs.speed import measure_matmul, measure_speed
from whichpeft.costs.trial_time import TimeRange, time_by_flops, time_by_profile

__all__ = [
    "CostQuery",
    "Costs",
    "Footprint",
    "TimeRange",
    "count_flops",
    "estimate_costs",
    "largest_batch",
    "measure_matmul",
    "measure_speed",
    "time_by_flops",
    "time_by_profile",
]
