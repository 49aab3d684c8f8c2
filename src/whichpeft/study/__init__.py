"""The question: a study, its budget and its trials. Knows methods, tasks and backbones by name only.

Reading and writing YAML needs pydantic, which is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whichpeft.study.auto import AutoOptions
from whichpeft.study.conditions import Conditions
from whichpeft.study.names import MethodName, PartName, parse_method
from whichpeft.study.seeds import UntilDecided, all_seeds, first_seeds
from whichpeft.study.spec import Budget, Study, TaskSource
from whichpeft.study.trial import Trial

if TYPE_CHECKING:
    from whichpeft.study.load import dump_study, load_study

__all__ = [
    "AutoOptions",
    "Budget",
    "Conditions",
    "MethodName",
    "PartName",
    "Study",
    "TaskSource",
    "Trial",
    "UntilDecided",
    "all_seeds",
    "dump_study",
    "first_seeds",
    "load_study",
    "parse_method",
]


def __getattr__(name: str) -> Any:
    if name in ("dump_study", "load_study"):
        from whichpeft.study import load

        return getattr(load, name)
    raise AttributeError(f"module 'whichpeft.study' has no attribute {name!r}")
