"""Carries out one trial and returns its record."""

from whichpeft.engine.job import (
    FinalWork,
    Job,
    Placement,
    ProfileWork,
    Progress,
    Result,
    ScreenWork,
    TuneWork,
)

__all__ = [
    "FinalWork",
    "Job",
    "Placement",
    "ProfileWork",
    "Progress",
    "Result",
    "ScreenWork",
    "TuneWork",
]
