"""What methods are compared on."""

from whichpeft.tasks.build import image_task, text_task
from whichpeft.tasks.catalogue import (
    TASKS,
    KnownTask,
    find_data,
    holds_images,
    list_tasks,
    load_task,
    suited_backbone,
)
from whichpeft.tasks.images import ImageTask
from whichpeft.tasks.protocol import SPLITS, Array, Batch, Examples, Metric, Task, scores
from whichpeft.tasks.text import TextTask

__all__ = [
    "SPLITS",
    "TASKS",
    "Array",
    "Batch",
    "Examples",
    "ImageTask",
    "KnownTask",
    "Metric",
    "Task",
    "TextTask",
    "find_data",
    "holds_images",
    "image_task",
    "list_tasks",
    "load_task",
    "scores",
    "suited_backbone",
    "text_task",
]
