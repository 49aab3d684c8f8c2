"""What a model's outputs stand for, in its configuration: names of classes, units of values."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.tagging.task import TaggingTask

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from whichpeft.tasks.protocol import Task

MEAN, DEVIATION = "label_mean", "label_deviation"
"""Keys of a configuration: a value in the label's units is the output times DEVIATION plus MEAN."""


def with_named_outputs(config: PreTrainedConfig, task: Task) -> PreTrainedConfig:
    """Return a copy of a model's configuration that says what the outputs for a task stand for.

    Classes have their names in ``id2label`` and ``label2id``, as transformers keeps them. Regression
    has the mean and the deviation of the training labels, because a model predicts standardised values.
    """
    named = copy.deepcopy(config)
    if isinstance(task, LabelledTask | TaggingTask):
        names = task.classes or ("value",)
        named.id2label = dict(enumerate(names))
        named.label2id = {name: i for i, name in enumerate(names)}
    if not isinstance(task, LabelledTask):
        return named
    if task.problem == "multilabel":
        named.problem_type = "multi_label_classification"
    elif task.classes:
        named.problem_type = "single_label_classification"
    else:
        named.problem_type = "regression"
        setattr(named, MEAN, task.mean)
        setattr(named, DEVIATION, task.deviation)
    return named
