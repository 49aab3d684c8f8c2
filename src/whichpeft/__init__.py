"""Which parameter-efficient fine-tuning method should I use, for this model, data and hardware?

    import whichpeft as wp
    report = wp.run(wp.Study(backbone="minilm", task="stdlib-docs", methods=["full", "lora:r=8"]))
    report.table()

Importing this package does not load torch or transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whichpeft.errors import WhichpeftError
from whichpeft.study import Budget, Study, TaskSource

if TYPE_CHECKING:
    from whichpeft.api import auto, plan, run
    from whichpeft.report import Report

__version__ = "0.1.0"
__all__ = [
    "Budget",
    "Report",
    "Study",
    "TaskSource",
    "WhichpeftError",
    "__version__",
    "auto",
    "plan",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in ("auto", "plan", "run"):
        from whichpeft import api

        return getattr(api, name)
    if name == "Report":
        from whichpeft.report import Report

        return Report
    raise AttributeError(f"module 'whichpeft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
