"""lm-evaluation-harness: finds one of its tasks, runs its requests on a model and scores the answers.

Everything that affects a score comes from the harness: documents, prompts, filters, metrics.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import DataError, suggestion
from whichpeft.metrics.metric import Array
from whichpeft.metrics.per_example import LM_EVAL

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

    from whichpeft.tasks.generative.harness_model import HarnessModel

ORIGINS = ("training", "validation", "test")
"""The sets of documents that a task of the harness may have."""
_INSTALL = "pip install 'whichpeft[lm-eval]'"


@dataclass(frozen=True, eq=False)
class Harness:
    """A loaded task of the harness."""

    name: str
    """Its name in the harness."""
    task: ConfigurableTask = field(repr=False)
    """The harness's own object."""
    texts: dict[tuple[str, int], str] = field(default_factory=dict, repr=False)
    """The text generated last, by origin and number of the document, if the task generates text."""

    @cached_property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Metrics that are means over documents and better when higher, each with a filter's name."""
        from lm_eval.api.metrics import mean

        better = self.task.higher_is_better()
        means = [key for key, how in self.task.aggregation().items() if how is mean and better.get(key)]
        return tuple((key, own.name) for own in self.task._filters for key in means)

    @cache  # noqa: B019  a task is opened once and kept as long as the process
    def documents(self, origin: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the documents of an origin, or None if the task has none."""
        if not getattr(self.task, f"has_{origin}_docs")():
            return None
        return list(getattr(self.task, f"{origin}_docs")())

    def requests(self, origin: str, index: int, shots: int = 0) -> list[Instance]:
        """Return the requests to a model for one document.

        `shots` is the number of examples before the prompt. The harness draws them; they do not depend
        on the batch.
        """
        documents = self.documents(origin)
        assert documents is not None
        document = documents[index]
        self.task.set_fewshot_seed(index)
        context = self.task.fewshot_context(
            document, num_fewshot=shots, gen_prefix=self.task.doc_to_prefix(document)
        )
        asked = self.task.construct_requests(
            doc=document, ctx=context, metadata=(self.name, index, self.task.config.repeats)
        )
        return asked if isinstance(asked, list) else [asked]

    def scores(self, model: HarnessModel, asked: Sequence[tuple[str, int]], shots: int) -> Array:
        """Run the requests on a `HarnessModel`; return each document's metrics: (n, columns).

        `asked` holds the origin and number of each document.
        """
        requests = [self.requests(origin, index, shots) for origin, index in asked]
        every = [request for own in requests for request in own]
        for kind in dict.fromkeys(request.request_type for request in every):
            repeated = [r for r in every if r.request_type == kind for _ in range(r.repeats)]
            answers = getattr(model, kind)(repeated, disable_tqdm=True)
            for request, answer in zip(repeated, answers, strict=True):
                request.resps.append(answer)
        for own in self.task._filters:
            own.apply(every)
        found: Array = np.zeros((len(asked), len(self.columns)), dtype=np.float32)
        for row, (place, answered) in enumerate(zip(asked, requests, strict=True)):
            for name in dict.fromkeys(name for _, name in self.columns):
                kept = [request.filtered_resps[name] for request in answered]
                metrics = self.task.process_results(answered[0].doc, kept)
                for column, (metric, of) in enumerate(self.columns):
                    if of == name:
                        found[row, column] = float(metrics[metric])
            if answered[0].request_type == "generate_until":
                self.texts[place] = answered[0].resps[0]
        return found


def find_task_folder(name: str, folder: str | None) -> str:
    """Return the folder of a task's YAML file: below `folder`, or in the installed harness.

    Raises DataError if the harness is not installed or does not have the task.
    """
    shown = f"task {LM_EVAL + name!r}"
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        raise DataError(
            f"{shown}: lm-evaluation-harness is not installed; install it with `{_INSTALL}`"
        ) from None
    if folder is not None and not Path(folder).is_dir():
        raise DataError(f"{shown}: the folder {folder} does not exist; give the folder of its YAML file")
    with _silent():
        from lm_eval.tasks import TaskManager

        index = TaskManager(include_path=folder, include_defaults=folder is None).task_index
    if name not in index:
        location = f"in {folder}" if folder else "in the installed lm-evaluation-harness"
        raise DataError(
            f"{shown}: no YAML file {location} has a task of this name"
            f"{suggestion(name, index, fix='name a folder of your own with --folder')}"
        )
    entry = index[name]
    if entry.kind.name in ("GROUP", "TAG"):
        members = sorted(entry.tags) if entry.kind.name == "TAG" else _members(entry.cfg)
        raise DataError(
            f"{shown}: is a group of {len(members)} tasks; name one of them: "
            f"{', '.join(LM_EVAL + member for member in members[:8])}{' ...' * (len(members) > 8)}"
        )
    return str(entry.yaml_path.parent)


@cache
def open_harness_task(name: str, folder: str) -> Harness:
    """Load a task and its data from the folder of its YAML file, once per process.

    Raises DataError if its data are not available or its type is not supported.
    """
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks import TaskManager

    shown = f"task {LM_EVAL + name!r}"
    try:
        with _silent():
            manager = TaskManager(include_path=folder, include_defaults=False)
            task = manager.load(name)["tasks"][name]
    except Exception as error:  # runs code that the YAML file names; libraries raise many types
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{shown}: lm-evaluation-harness cannot load it: {type(error).__name__}: {reason}; see its "
            f"YAML file in {folder}, or set HF_HOME to a cache that contains its data"
        ) from None
    for fits, reason in (
        (isinstance(task, ConfigurableTask), "is not defined by a YAML file"),
        (not getattr(task, "MULTIMODAL", False), "contains images or sounds"),
        (not getattr(task, "UNSAFE_CODE", False), "runs code that the model generates"),
    ):
        if not fits:
            raise DataError(f"{shown}: {reason}, which is not supported; name another task")
    return Harness(name, task)


def _members(config: Mapping[str, Any]) -> list[str]:
    listed = config["task"] if isinstance(config["task"], list) else [config["task"]]
    return [one if isinstance(one, str) else str(one.get("task", one.get("group"))) for one in listed]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Silence the harness and `datasets`, which would disturb the progress display of a run."""
    from datasets.utils import logging as bars

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
