"""What predicting has to know of a study's data: how inputs were read, and what outputs stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from whichpeft.backbones import Backbone
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.takeaway.from_record import RestoredTrial
from whichpeft.tasks import GenerativeTask, ImageTask, Task, TextTask, find_data
from whichpeft.tasks.generative.conversations import conversation_columns
from whichpeft.tasks.generative.rows import read_rows
from whichpeft.tasks.generative.scoring import Evaluation
from whichpeft.tasks.images.encoding import reads_any_size
from whichpeft.tasks.residues.encoding import residue_reader
from whichpeft.tasks.tables.table import Table
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.text_encoding import length_cap, load_tokenizer

TEXT = "{}"
"""What stands for the input in `Inputs.prompt`."""
# As an example's text it survives every reader, and no prompt contains it.
_MARK = "\N{REPLACEMENT CHARACTER}input\N{REPLACEMENT CHARACTER}"
_TEXT_COLUMNS, _WORD_COLUMNS = ("text",), ("tokens",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """How inputs are read, and what the outputs stand for."""

    kind: Literal["texts", "images", "prompts", "words"]
    """What a model reads."""

    problem: str
    """``classification``, ``regression``, ``multilabel``, ``tagging`` or ``generation``."""

    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the outputs; empty without classes."""

    columns: tuple[str, ...] = ()
    """Columns of the input, by name or else by number."""

    label: str | None = None
    """Column of the label or of the completion."""

    metric: str
    """Name of the metric of the score."""

    mean: float = 0.0
    """Mean of the training labels of a regression; 0 for classes."""

    deviation: float = 1.0
    """Standard deviation of the training labels of a regression; 1 for classes."""

    residues: Literal["", "joined", "spaced", "listed"] = ""
    """For proteins: what the tokenizer takes as a sequence, ``MKT``, ``M K T`` or a list."""

    max_length: int | None = None
    """Most tokens that are read of an input; None for images."""

    image_size: int | None = None
    """Height and width that images are read at; None for what the image processor says."""

    evaluation: Evaluation = "generation"
    """For prompts: whether answers are written or chosen."""

    longest: int = 0
    """For prompts: most tokens that may be written."""

    prompt: str = TEXT
    """For prompts: what the model reads, with ``{}`` for the input."""

    completion: str = ""
    """For prompts: any label, because the study's readers require one in every row."""

    source: Mapping[str, Any] = field(default_factory=dict)
    """For prompts: what the study says about columns and prompt; empty if rows are whole prompts."""


INPUTS: TypeAdapter[Inputs] = TypeAdapter(Inputs)
"""Reads and writes `Inputs` as JSON."""


def inputs_of(restored: RestoredTrial) -> Inputs | None:
    """Return how the inputs of a trial's task are read; None for a task of a plug-in.

    Raises
    ------
    DataError
        If the data can no longer be read.
    """
    task, backbone = restored.task, restored.backbone
    if type(task) is GenerativeTask:
        return _of_prompts(restored, task)
    if isinstance(task, TaggingTask):
        use, tokenizer = task.columns, load_tokenizer(backbone)
        protein = residue_reader(tokenizer, backbone) if task.residues else None
        return Inputs(
            kind="words",
            problem=task.problem,
            classes=task.classes,
            columns=use.text if use is not None else _WORD_COLUMNS,
            label=use.label if use is not None else None,
            metric=task.metrics[0].name,
            residues="" if protein is None else protein.spelling,
            max_length=length_cap(backbone, tokenizer) if protein is None else protein.cap,
        )
    if not isinstance(task, (TextTask, ImageTask)):
        return None
    images = isinstance(task, ImageTask)
    columns = task.columns
    cap: int | None = None
    residues: Literal["", "joined", "spaced", "listed"] = ""
    if not images:
        tokenizer = load_tokenizer(backbone)
        cap = length_cap(backbone, tokenizer)
        if task.residues:
            reader = residue_reader(tokenizer, backbone)
            cap, residues = reader.cap, reader.spelling
    return Inputs(
        kind="images" if images else "texts",
        problem=task.problem,
        classes=task.classes,
        columns=columns.text if columns is not None else ("image",) if images else _TEXT_COLUMNS,
        label=columns.label if columns is not None else None,
        metric=task.metrics[0].name,
        mean=task.mean,
        deviation=task.deviation,
        residues=residues,
        max_length=cap,
        image_size=size_of_images(task, backbone),
    )


def size_of_images(task: Task, backbone: Backbone) -> int | None:
    """Return the size at which a task's images are read, if it is not the image processor's own."""
    return task.image_size if isinstance(task, ImageTask) and reads_any_size(backbone) else None


def _of_prompts(restored: RestoredTrial, task: GenerativeTask) -> Inputs:
    train = task.splits["train"]
    few = dict.fromkeys(("validation", "test"), train[:1])
    encoded = dataclasses.replace(task, splits={**few, "train": train}).encode(
        restored.backbone, max_train=restored.trial.budget.max_train
    )["train"]
    found = Inputs(
        kind="prompts",
        problem=task.problem,
        metric=task.metrics[0].name,
        max_length=encoded.cap,  # type: ignore[attr-defined]  # those of a GenerativeTask have one
        evaluation=task.evaluation,
        longest=encoded.longest,  # type: ignore[attr-defined]
        columns=("prompt",),
    )
    return _with_columns(found, restored.source, task)


def _with_columns(found: Inputs, source: TaskSource, task: GenerativeTask) -> Inputs:
    """Add the columns of the prompt, if the data come from a table with prompts and completions."""
    read, use = find_data(source), task.columns
    if read is None or use is None or use.label is None:
        return found
    train = read.tables["train"]
    if set(conversation_columns(train)) & {train.index(name) for name in (*use.text, use.label)}:
        return found
    label = train.index(use.label)
    completion = next(str(value) for value in train.columns[label] if str(value or "").strip())
    kept: dict[str, Any] = {
        "prompt": source.prompt,
        "verbaliser": dict(source.verbaliser),
        "text_columns": source.text_columns,
        "label_column": source.label_column,
    }
    named = dataclasses.replace(
        found,
        columns=use.text,
        label=use.label,
        completion=completion,
        source={key: value for key, value in kept.items() if value},
    )
    return dataclasses.replace(named, prompt=_template(named))


def _template(inputs: Inputs) -> str:
    """Return the prompt of a row with one text, with ``{}`` in the place of the text."""
    first, *others = inputs.columns
    row = {first: _MARK, **dict.fromkeys(others, ""), inputs.label or "": inputs.completion}
    table = Table("a row", tuple(row), tuple([value] for value in row.values()))
    try:
        (example,) = read_rows(table, row_source(inputs)).examples
    except (DataError, ValueError):
        return TEXT
    return example.plain_prompt.replace(_MARK, TEXT)


def row_source(inputs: Inputs) -> TaskSource:
    """Return the source that reads the rows of new data like those of the study."""
    return TaskSource(name="new data", problem="generation", **inputs.source)
