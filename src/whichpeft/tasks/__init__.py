"""Tasks: the data, heads and metrics that methods are compared on."""

from whichpeft.metrics.metric import Array, Metric, scores
from whichpeft.tasks.catalogue import (
    TASKS,
    KnownTask,
    default_backbone,
    find_data,
    generates_text,
    is_image_task,
    is_protein_task,
    list_tasks,
    load_task,
    load_task_for_planning,
)
from whichpeft.tasks.from_examples import image_task, text_task
from whichpeft.tasks.generative import GenerativeTask, Prompted, generative_task
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.protocol import HELD_OUT, SPLITS, Batch, DecodedTask, Examples, Packable, Task
from whichpeft.tasks.text import TextTask

__all__ = [
    "HELD_OUT",
    "SPLITS",
    "TASKS",
    "Array",
    "Batch",
    "DecodedTask",
    "Examples",
    "GenerativeTask",
    "ImageTask",
    "KnownTask",
    "Metric",
    "Packable",
    "Prompted",
    "Task",
    "TextTask",
    "default_backbone",
    "find_data",
    "generates_text",
    "generative_task",
    "image_task",
    "is_image_task",
    "is_protein_task",
    "list_tasks",
    "load_task",
    "load_task_for_planning",
    "scores",
    "text_task",
]
