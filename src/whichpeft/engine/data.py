"""The encoded task as one folder, made once and read by every trial of a backbone and task.

It holds a pickle: the folder is private and lives as long as the run, and only the process that started
the run writes it. The arrays lie beside it, or in the user's cache with a link beside it, so that a
copy of the folder is whole; they are mapped into memory by each trial.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from pathlib import Path

from whichpeft.backbones import Backbone
from whichpeft.cache import cached, find_cached
from whichpeft.errors import FolderError
from whichpeft.study import Budget
from whichpeft.tasks import Examples, GenerativeTask, ImageTask, Task, TextTask
from whichpeft.tasks.kept import can_keep, encoding_name, keep_examples, kept_examples

_ARRAYS = "arrays"
_WORTH_KEEPING = 2.0  # seconds of encoding, from which on another run should not do it again


def write_data(task: Task, backbone: Backbone, budget: Budget, folder: Path) -> tuple[Path, float]:
    """Encode a task for a backbone; return the file that holds it and the share that was cut.

    What took long to encode is kept in the user's cache, and found there by the next run.
    """
    place = folder / f"data-{len(list(folder.glob('data-*')))}"
    place.mkdir()
    arrays = _find_or_encode(task, backbone, budget.max_train, place / _ARRAYS)
    examples = kept_examples(arrays) if isinstance(arrays, Path) else arrays
    if isinstance(arrays, Path):
        arrays = _beside(arrays, place)
    path = place / "task.pickle"
    with path.open("wb") as file:
        pickle.dump((task.without_examples(), arrays), file, protocol=5)
    count = sum(len(split) for split in examples.values())
    return path, sum(split.truncated * len(split) for split in examples.values()) / count


def read_data(path: Path) -> tuple[Task, Mapping[str, Examples]]:
    """Read what `write_data` wrote."""
    with path.open("rb") as file:
        task, arrays = pickle.load(file)
    return task, kept_examples(path.parent / arrays) if isinstance(arrays, Path) else arrays


def _beside(arrays: Path, place: Path) -> Path:
    """Return the arrays' folder as seen from `place`, where one that lies elsewhere gets a link."""
    if arrays.parent != place:
        try:
            (place / _ARRAYS).symlink_to(arrays.absolute(), target_is_directory=True)
        except OSError:  # Windows lets not everybody make links
            return arrays.absolute()
    return Path(_ARRAYS)


def _find_or_encode(
    task: Task, backbone: Backbone, max_train: int | None, place: Path
) -> Path | Mapping[str, Examples]:
    """Return the folder of the arrays, or the examples themselves where they are of another kind."""
    # A task of a stranger may encode the same data in its own way, and in another way tomorrow.
    ours = type(task) in (TextTask, ImageTask, GenerativeTask)
    name = encoding_name(task, backbone, max_train)
    found = find_cached(name) if ours else None
    if found is not None:
        return found
    began = time.perf_counter()
    examples = dict(task.encode(backbone, max_train=max_train))
    seconds = time.perf_counter() - began
    if not can_keep(examples):
        return examples
    if ours and seconds > _WORTH_KEEPING:
        try:
            return cached(name, lambda made: keep_examples(examples, made))
        except FolderError:
            pass  # a cache that cannot be written to costs the next run seconds, not this one
    place.mkdir()
    keep_examples(examples, place)
    return place
