"""What methods are compared on."""

from whichpeft.tasks.build import text_task
from whichpeft.tasks.catalogue import TASKS, KnownTask, list_tasks, load_task
from whichpeft.tasks.protocol import SPLITS, Array, Batch, Examples, Metric, Task, scores
from whichpeft.tasks.text import TextTask

__all__ = [
    "SPLITS",
    "TASKS",
    "Array",
    "Batch",
    "Examples",
    "KnownTask",
    "Metric",
    "Task",
    "TextTask",
    "list_tasks",
    "load_task",
    "scores",
    "text_task",
]
