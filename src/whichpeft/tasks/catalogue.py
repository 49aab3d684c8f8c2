"""Finds a task by name: built in, from a plug-in, from local files or from the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from whichpeft.errors import DataError, WhichpeftError, unknown
from whichpeft.metrics.per_example import LM_EVAL
from whichpeft.study import TaskSource
from whichpeft.tasks.antibodies import antibody_immunogenicity, antibody_origin
from whichpeft.tasks.code.doc_match import stdlib_doc_match
from whichpeft.tasks.code.search import stdlib_search
from whichpeft.tasks.code.summary import stdlib_summary
from whichpeft.tasks.generative import mixtures
from whichpeft.tasks.generative.harness_task import load_harness_task
from whichpeft.tasks.generative.reasoning_sets import MIXTURES
from whichpeft.tasks.generative.sums import sums
from whichpeft.tasks.images.digits import digits
from whichpeft.tasks.images.medmnist import SMALLEST
from whichpeft.tasks.images.pneumonia import pneumonia
from whichpeft.tasks.images.task import ImageTask
from whichpeft.tasks.stdlib_docs import PACKAGES, stdlib_docs
from whichpeft.tasks.stdlib_kinds import stdlib_kinds
from whichpeft.tasks.tables.hub import GLUE, load_glue, read_glue_tables, read_hub_tables
from whichpeft.tasks.tables.local import is_local, is_local_image_folder, is_medmnist, read_local_tables
from whichpeft.tasks.tables.table import TaskTables
from whichpeft.tasks.tables.to_task import task_from_tables
from whichpeft.tasks.tagging.stdlib_names import stdlib_names

if TYPE_CHECKING:
    from whichpeft.tasks.protocol import Task

GROUP = "whichpeft.tasks"


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task that whichpeft knows by name."""

    description: str
    """One line for lists."""
    metric: str | None
    """Name of the score's metric; None for a plug-in's task, which names it only once it is loaded."""
    load: Callable[[], Task]
    """Loads the task."""
    backbone: str = "minilm"
    """The backbone to use if the user names none."""
    images: bool = False
    """Whether the task holds images."""
    proteins: bool = False
    """Whether the task holds proteins."""
    generates_text: bool = False
    """Whether a language model writes the answers."""
    listed: bool = True
    """Whether lists show the task."""
    load_from: Callable[[TaskSource], Task] | None = None
    """Loads the task from a source whose keys refine it."""
    load_for_planning: Callable[[TaskSource], Task] | None = None
    """Like `load_from`, but also works if the data are not available."""


def _preset(name: str, description: str, *, listed: bool = True) -> KnownTask:
    return KnownTask(
        f"{description}; from the hub or a --folder. Requires a causal language model: name one with "
        "--backbone",
        mixtures.METRIC,
        partial(mixtures.load_mixture, TaskSource(name=name)),
        generates_text=True,
        listed=listed,
        load_from=mixtures.load_mixture,
        load_for_planning=mixtures.load_mixture_for_planning,
    )


TASKS: Mapping[str, KnownTask] = {
    "stdlib-docs": KnownTask(
        f"which of {len(PACKAGES)} standard-library packages does a docstring document? "
        "(bundled, needs no network)",
        "accuracy",
        stdlib_docs,
    ),
    "stdlib-kinds": KnownTask(
        "does a docstring document a module, a class or a function? (bundled, needs no network)",
        "accuracy",
        stdlib_kinds,
    ),
    "stdlib-names": KnownTask(
        "which words of a docstring name a parameter, function, class, exception or module? "
        "(bundled, needs no network)",
        "entity_f1",
        stdlib_names,
    ),
    "stdlib-doc-match": KnownTask(
        "does a docstring belong to a function? (bundled, needs no network)",
        "auroc",
        stdlib_doc_match,
    ),
    "stdlib-search": KnownTask(
        "which function does a docstring describe? (bundled, needs no network)",
        "mrr",
        stdlib_search,
    ),
    "pneumonia": KnownTask(
        "does a chest X-ray show pneumonia? 1,474 images of 28x28 (bundled, needs no network)",
        "auroc",
        pneumonia,
        backbone="mobilenet-v2",
        images=True,
    ),
    "antibody-origin": KnownTask(
        "is a therapeutic antibody human, humanized, chimeric or of a mouse? (bundled, needs no "
        "network)",
        "auroc:human",
        antibody_origin,
        backbone="sapiens-vh",
        proteins=True,
    ),
    "antibody-immunogenicity": KnownTask(
        "which share of patients makes antibodies against an antibody? (bundled, needs no network)",
        "spearman",
        antibody_immunogenicity,
        backbone="sapiens-vh",
        proteins=True,
    ),
    "digits": KnownTask(
        "which digit from 5 to 9 does an image show? 896 images of 8x8 (bundled, needs no network)",
        "accuracy",
        digits,
        backbone="digits-vit",
        images=True,
    ),
    "stdlib-summary": KnownTask(
        "what does a function do, in a sentence? For language models (bundled, needs no network)",
        "rouge_l",
        stdlib_summary,
        backbone="tiny-llama",
        generates_text=True,
    ),
    "sums": KnownTask(
        "word problems that add or subtract, answered by a language model (bundled, needs no network)",
        "exact_match",
        sums,
        backbone="tiny-llama",
    ),
    **{
        f"glue/{name}": KnownTask(
            f"{preset.description} (from the hub)", preset.metrics[0].name, partial(load_glue, name)
        )
        for name, preset in GLUE.items()
    },
    **{name: _preset(name, mixture.description) for name, mixture in MIXTURES.items()},
    **{
        f"{name}/{one}": _preset(f"{name}/{one}", f"{one}, a set of {name}", listed=False)
        for name, mixture in MIXTURES.items()
        for one in mixture.sets
    },
}


def list_tasks() -> dict[str, KnownTask]:
    """Return all named tasks: the built-in ones, then those of installed plug-ins."""
    return {
        **TASKS,
        **{
            point.name: KnownTask(f"plug-in {point.value}", None, partial(_load_plugin, point))
            for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)
            if point.name not in TASKS
        },
    }


def default_backbone(name: str) -> str:
    """Return the backbone that a task of this name runs on if the user names none."""
    known = list_tasks().get(name)
    return known.backbone if known is not None else "minilm"


def is_image_task(name: str) -> bool:
    """Whether a task is known to hold images before it is loaded.

    For data sets on the hub and tables in files this is only known once they are loaded.
    """
    known = list_tasks().get(name)
    if known is not None:
        return known.images
    source = TaskSource(name=name)
    return is_medmnist(source) or is_local_image_folder(source)


def is_protein_task(name: str) -> bool:
    """Whether a task is known to hold proteins before it is loaded."""
    known = list_tasks().get(name)
    return known is not None and known.proteins


def generates_text(name: str) -> bool:
    """Whether a language model writes the answers of a task."""
    known = list_tasks().get(name)
    return name.startswith(LM_EVAL) or (known is not None and known.generates_text)


def load_task_for_planning(source: TaskSource) -> Task:
    """Load a task; without its data, return what is usually true of a known task."""
    known = list_tasks().get(source.name)
    if known is not None and known.load_for_planning is not None:
        return known.load_for_planning(source)
    return load_task(source)


def load_task(source: TaskSource) -> Task:
    """Load the task that a source names.

    Parameters
    ----------
    source
        Names a known task, local files, or a data set on the hub. ``lm-eval:NAME`` is a task of
        lm-evaluation-harness. A known name takes precedence over a file or folder of the same name;
        write ``./name`` for the file or folder.

    Raises
    ------
    DataError
        If the data cannot be read. The message names the file, column or label, and the fix.
    """
    if source.name.startswith(LM_EVAL):
        return load_harness_task(source)
    known = list_tasks()
    if source.name in known:
        load_from = known[source.name].load_from
        if load_from is not None:
            return load_from(source)
        _refuse_mixture_keys(source)
        for key in ("text_columns", "label_column", "problem", "metric", "train", "validation", "test"):
            if getattr(source, key):
                raise DataError(
                    f"task {source.name!r}: its columns, splits and metric are fixed, so {key} cannot "
                    "be given; name a file or folder instead"
                )
        return known[source.name].load()
    if source.name.split("/")[0] not in MIXTURES:
        _refuse_mixture_keys(source)
    found = _find(source)
    task = task_from_tables(found)
    if is_medmnist(source) and isinstance(task, ImageTask):
        return task.read_at(max(SMALLEST, len(found.tables["train"].columns[0][0].content)))
    return task


def _refuse_mixture_keys(source: TaskSource) -> None:
    for key in ("folder", "sets"):
        if getattr(source, key):
            raise DataError(
                f"task {source.name!r}: {key} is only for the mixtures {' and '.join(MIXTURES)}; to use "
                "a folder with other data, name the folder as the task"
            )


def find_data(source: TaskSource) -> TaskTables | None:
    """Read the tables of a task whose data are in files or on the hub; None for other known tasks.

    Raises DataError as `load_task` does.
    """
    glue = source.name.removeprefix("glue/")
    if source.name in TASKS and glue in GLUE:
        return read_glue_tables(glue)
    known = source.name in list_tasks() or source.name.startswith(LM_EVAL)
    return None if known else _find(source)


def _find(source: TaskSource) -> TaskTables:
    if not source.name.strip():
        raise DataError("task '': the name is empty; `whichpeft tasks` lists the known names")
    if is_local(source) or (source.train is not None and "/" not in source.name):
        return read_local_tables(source)
    if "/" not in source.name or source.name.split("/")[0] in ("glue", *MIXTURES):
        known = list_tasks()
        listed = ", ".join(name for name in known if known[name].listed)
        fix = f"choose {listed}, a file, a folder or a hub data set (owner/name)"
        raise DataError(unknown("task", source.name, known, fix=fix))
    return read_hub_tables(source)


def _load_plugin(point: EntryPoint) -> Any:
    try:
        return point.load()()
    except WhichpeftError:
        raise
    except Exception as error:  # a plug-in's code may raise anything
        raise DataError(
            f"task {point.name!r}: its plug-in {point.value} fails: {type(error).__name__}: {error}"
        ) from error
