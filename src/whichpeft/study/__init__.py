"""The question: a study, its budget and its trials. Knows methods, tasks and backbones by name only."""

from whichpeft.study.load import dump_study, load_study
from whichpeft.study.names import MethodName, PartName, parse_method
from whichpeft.study.spec import Budget, Study, TaskSource, Trial

__all__ = [
    "Budget",
    "MethodName",
    "PartName",
    "Study",
    "TaskSource",
    "Trial",
    "dump_study",
    "load_study",
    "parse_method",
]
