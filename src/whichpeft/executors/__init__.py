"""Where trials run: processes on this machine."""

from whichpeft.executors.local import run_jobs, warm_up
from whichpeft.executors.watch import NoWatch, Watch

__all__ = ["NoWatch", "Watch", "run_jobs", "warm_up"]
