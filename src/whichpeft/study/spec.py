"""The frozen specs that say what is asked: Budget, TaskSource, Study, Trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from whichpeft.errors import StudyError, unknown

Purpose = Literal["profile", "tune", "final"]
PROBLEMS = ("classification", "regression", "generation")
PRECISIONS = ("auto", "float32", "bfloat16")
QUANTISED = ("8bit", "4bit")
TRACKERS = ("tensorboard", "mlflow", "trackio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What every method gets alike.

    epochs: passes over the training examples.
    max_train: at most so many training examples, one fixed subset for all methods and seeds.
    batch_size: examples per optimiser step.
    early_stopping: end a trial after so many epochs without a better validation score.
    tuning_trials: trials of hyperparameter search per method (0 uses each method's defaults).
    micro_batch: examples that go through the model at once, where a batch is too large for the memory;
    their gradients add up to one optimiser step on the whole batch.
    """

    epochs: int = 3
    max_train: int | None = None
    batch_size: int = 16
    early_stopping: int | None = None
    tuning_trials: int = 0
    micro_batch: int | None = None

    def __post_init__(self) -> None:
        for key in ("epochs", "batch_size", "max_train", "early_stopping", "micro_batch"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise StudyError(f"budget: {key} is {value}; it has to be 1 or more")
        if self.tuning_trials < 0:
            raise StudyError(
                f"budget: tuning_trials is {self.tuning_trials}; it has to be 0 (each method at its "
                "defaults) or more"
            )
        if self.micro_batch is not None and self.micro_batch > self.batch_size:
            raise StudyError(
                f"budget: micro_batch is {self.micro_batch} and batch_size {self.batch_size}; a batch "
                "is cut into micro-batches, so give at most its size"
            )

    @property
    def micro_batch_size(self) -> int:
        """Examples that go through the model at once."""
        return self.micro_batch or self.batch_size

    def steps(self, train_examples: int) -> int:
        """Optimiser steps of one trial on a training split of so many examples."""
        examples = min(train_examples, self.max_train or train_examples)
        return self.epochs * -(-examples // self.batch_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSource:
    """Where a task comes from: a known name, a hub data set, or local files, with its columns.

    name: a task's name (``glue/sst2``), a hub id (``owner/name``), or a path to a file or folder.
    text_columns, label_column: names or 0-based indices; found by inspection where not given.
    problem: ``classification``, ``regression`` or ``generation``; found by inspection where not given.
    metric: what the score is, by name (``matthews``); the problem's customary one where not given.
    train, validation, test: files that override those found in a folder.
    prompt: of generation, what is asked, with columns in braces: ``Review: {text} Sentiment:``.
    verbaliser: of generation, the words that stand for labels: ``{"0": "bad", "1": "good"}``.
    held_out: of generation, a file of text of the kind that the backbone was pretrained on, blank lines
    between texts, to measure what it forgets.
    folder: of ``commonsense`` and ``arithmetic``, a folder in the LLM-Adapters layout, not the hub; of
    ``lm-eval:NAME``, the folder of the task's YAML file, where it is your own.
    sets: those of the mixture's sets that are used; all where none is given.
    """

    name: str
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    problem: str | None = None
    metric: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    prompt: str | None = None
    verbaliser: Mapping[str, str] = field(default_factory=dict)
    held_out: str | None = None
    folder: str | None = None
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.sets if self.sets.count(name) > 1})
        if twice:
            raise StudyError(f"task {self.name!r}: sets names {twice[0]} twice; keep one")
        if (self.prompt or self.verbaliser) and self.problem not in (None, "generation"):
            key = "prompt" if self.prompt else "verbaliser"
            raise StudyError(
                f"task {self.name!r}: {key} is what a language model is asked with, and the problem is "
                f"{self.problem}; leave out one of the two"
            )
        if len(self.text_columns) > 2:
            raise StudyError(
                f"task {self.name!r}: {len(self.text_columns)} text columns; give one, or two for a pair"
            )
        if self.problem is not None and self.problem not in PROBLEMS:
            raise StudyError(f"task {self.name!r}: {unknown('problem', self.problem, PROBLEMS)}")


@dataclass(frozen=True, kw_only=True)
class Study:
    """The question: methods x tasks x backbones x seeds under one budget.

    `backbone` and `task` are short for a list of one; `seeds` may be a number of seeds.

    precision: ``auto`` takes bfloat16 where the hardware has it, else float32.
    threads: per trial, on a CPU; part of the question because other threads give other bits.
    same_targets: methods that target modules all target the same ones.
    gradient_checkpointing: activations are not kept for the backward pass and computed again there,
    which takes less memory and more time.
    quantise: ``8bit`` or ``4bit`` keeps the backbone's frozen linear weights so. Needs CUDA.
    shards: devices that one trial is spread over, each holding its share of every weight.
    packing: short training examples of a language model share the rows of a batch where that saves some.
    baseline: the method that gaps, speed-ups and savings are taken against.
    track: trackers that are told of each trial: ``tensorboard``, ``mlflow``, ``trackio``.
    """

    name: str = ""
    backbones: tuple[str, ...] = ()
    tasks: tuple[TaskSource, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: Budget = field(default_factory=Budget)
    precision: str = "auto"
    threads: int = 1
    same_targets: bool = True
    gradient_checkpointing: bool = False
    quantise: str | None = None
    shards: int = 1
    packing: bool = False
    baseline: str = "full"
    track: tuple[str, ...] = ()
    backbone: InitVar[str | None] = None
    task: InitVar[str | TaskSource | None] = None

    if TYPE_CHECKING:  # what may be given; __post_init__ makes the fields' own types of it

        def __init__(
            self,
            *,
            name: str = "",
            backbones: Sequence[str] = (),
            tasks: Sequence[str | TaskSource] = (),
            methods: Sequence[str] = (),
            seeds: int | Sequence[int] = (0, 1, 2),
            budget: Budget = ...,
            precision: str = "auto",
            threads: int = 1,
            same_targets: bool = True,
            gradient_checkpointing: bool = False,
            quantise: str | None = None,
            shards: int = 1,
            packing: bool = False,
            baseline: str = "full",
            track: Sequence[str] = (),
            backbone: str | None = None,
            task: str | TaskSource | None = None,
        ) -> None: ...

    def __post_init__(self, backbone: str | None, task: str | TaskSource | None) -> None:
        def put(key: str, value: object) -> None:
            object.__setattr__(self, key, value)

        for key in ("backbones", "tasks", "methods"):
            if isinstance(getattr(self, key), str):
                raise StudyError(f"study: {key} is a list; write {key}=[{getattr(self, key)!r}]")
        put("backbones", (backbone,) if backbone is not None else tuple(self.backbones))
        tasks = (task,) if task is not None else tuple(self.tasks)
        put("tasks", tuple(TaskSource(name=t) if isinstance(t, str) else t for t in tasks))
        put("methods", tuple(self.methods))
        put("track", tuple(dict.fromkeys(self.track)))
        seeds: int | Sequence[int] = self.seeds
        put("seeds", tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds))
        self._check_kinds()
        if not self.name and self.tasks and self.backbones:
            put("name", _default_name(self.tasks[0].name, self.backbones[0]))
        self._check()

    @property
    def memory_options(self) -> tuple[str, ...]:
        """What makes a large model fit or a batch smaller, in words."""
        found = []
        if self.budget.micro_batch is not None:
            found.append(f"micro-batches of {self.budget.micro_batch}")
        if self.gradient_checkpointing:
            found.append("gradient checkpointing")
        if self.quantise is not None:
            found.append(f"the backbone's weights in {self.quantise}")
        if self.shards > 1:
            found.append(f"each trial over {self.shards} devices")
        if self.packing:
            found.append("short examples packed into shared rows")
        return tuple(found)

    def _check_kinds(self) -> None:
        for key, what in (
            ("backbones", "a name or a folder, as text"),
            ("methods", "text, such as 'lora:r=8'; one of your own is named after you register it as a "
             "plug-in (entry point whichpeft.methods)"),
        ):  # fmt: skip
            for value in getattr(self, key):
                if not isinstance(value, str):
                    raise StudyError(f"study: {key} holds a {type(value).__name__}; each is {what}")
        for task in self.tasks:
            if not isinstance(task, TaskSource):
                raise StudyError(
                    f"study: tasks holds a {type(task).__name__}; each is a name, a file, a folder or a "
                    "TaskSource. Write the examples to a file, or register a task of your own as a "
                    "plug-in (entry point whichpeft.tasks) and give its name"
                )

    def _check(self) -> None:
        for key in ("backbones", "tasks", "methods", "seeds"):
            values = getattr(self, key)
            if not values and key != "tasks":  # a plan needs none
                raise StudyError(f"study {self.name!r}: {key} is empty; name at least one")
            twice = sorted({str(v) for v in values if values.count(v) > 1})
            if twice:
                raise StudyError(f"study {self.name!r}: {key} names {twice[0]} twice; keep one")
        if any(seed < 0 for seed in self.seeds):
            raise StudyError(f"study {self.name!r}: seeds are whole numbers from 0 on")
        if self.precision not in PRECISIONS:
            raise StudyError(f"study {self.name!r}: {unknown('precision', self.precision, PRECISIONS)}")
        for name in self.track:
            if name not in TRACKERS:
                raise StudyError(f"study {self.name!r}: track: {unknown('tracker', name, TRACKERS)}")
        for key in ("threads", "shards"):
            if getattr(self, key) < 1:
                raise StudyError(
                    f"study {self.name!r}: {key} is {getattr(self, key)}; it has to be 1 or more"
                )
        if self.packing and self.shards > 1:
            raise StudyError(
                f"study {self.name!r}: packing and shards do not go together: tasks of language models "
                "take one process; keep one of the two"
            )
        if self.quantise is not None and self.shards > 1:
            raise StudyError(
                f"study {self.name!r}: quantise and shards do not go together: quantised weights are "
                "not spread over devices; keep one of the two"
            )
        if self.quantise is not None and self.quantise not in QUANTISED:
            raise StudyError(f"study {self.name!r}: {unknown('quantise', self.quantise, QUANTISED)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of one cell of a study.

    backbone, task: short names to show; `backbone_revision` and `data` pin what they stand for.
    method: as typed; `method_id` is its canonical form and `hyperparameters` all its values.
    number: of a tuning trial, its place in the method's search; 0 is the default.
    """

    purpose: Purpose
    backbone: str
    backbone_revision: str
    task: str
    data: str
    method: str
    method_id: str
    hyperparameters: Mapping[str, Any]
    seed: int
    budget: Budget
    precision: str
    threads: int
    same_targets: bool
    number: int | None = None
    gradient_checkpointing: bool = False
    quantise: str | None = None
    shards: int = 1
    packing: bool = False

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides the result; the record's file name.

        How the method was typed and the place in a search decide nothing. What came to be asked
        after the first records counts only where it is asked, so that theirs stay what they are.
        """
        asked = asdict(self)
        del asked["method"], asked["number"]
        for fields, key, usual in (
            (asked["budget"], "micro_batch", None),
            (asked, "gradient_checkpointing", False),
            (asked, "quantise", None),
            (asked, "shards", 1),
            (asked, "packing", False),
        ):
            if fields[key] == usual:
                del fields[key]
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def cell(self) -> tuple[str, str, str]:
        """Backbone, task and canonical method: what the seeds of a comparison share."""
        return self.backbone, self.task, self.method_id


def _default_name(task: str, backbone: str) -> str:
    """Name a study; the name becomes that of a folder."""
    return f"{short_name(task)}-{short_name(backbone)}".replace(":", "-")


def short_name(name: str) -> str:
    """Shorten a path or hub id to its last part, without a file's suffix."""
    last = name.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and stem and suffix.lower() in _SUFFIXES else last


_SUFFIXES = frozenset({"csv", "tsv", "txt", "jsonl", "json", "parquet"})
