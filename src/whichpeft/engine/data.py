"""The encoded task as one file, made once and read by every trial of a backbone and task.

The file is a pickle: it lies in a private folder that lives as long as the run, and only the
process that started the run writes it.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

from whichpeft.backbones import Backbone
from whichpeft.study import Budget
from whichpeft.tasks import Examples, Task


def write_data(task: Task, backbone: Backbone, budget: Budget, folder: Path) -> tuple[Path, float]:
    """Encode a task for a backbone; return the file that holds it and the share that was cut."""
    examples = task.encode(backbone, max_train=budget.max_train)
    number = len(list(folder.iterdir()))
    path = folder / f"{number}.pickle"
    with path.open("wb") as file:
        pickle.dump((task.without_examples(), dict(examples)), file, protocol=5)
    count = sum(len(split) for split in examples.values())
    return path, sum(split.truncated * len(split) for split in examples.values()) / count


def read_data(path: Path) -> tuple[Task, Mapping[str, Examples]]:
    """Read what `write_data` wrote."""
    with path.open("rb") as file:
        task, examples = pickle.load(file)
    return task, examples
