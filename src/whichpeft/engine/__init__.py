"""Carries out one trial and gives a record."""

from whichpeft.engine.job import Job, Progress, Result

__all__ = ["Job", "Progress", "Result"]
