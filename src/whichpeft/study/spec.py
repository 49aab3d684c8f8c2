"""What a study asks, as frozen specs: Budget, TaskSource, Study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Unpack

from whichpeft.errors import StudyError, unknown
from whichpeft.study.auto import AutoOptions, read_auto
from whichpeft.study.conditions import ConditionOptions, Conditions
from whichpeft.study.seeds import Seeds, UntilDecided, all_seeds, read_seeds

Column = Annotated[str, "a name, or a number that stands for one"]
PROBLEMS = ("classification", "regression", "generation", "tagging", "multilabel", "retrieval")
TRACKERS = ("tensorboard", "mlflow", "trackio")
_FIRST_LIMITS = ("epochs", "max_train", "batch_size", "early_stopping", "tuning_trials")


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What every method may spend.

    Parameters
    ----------
    epochs
        Passes over the training examples.
    max_train
        Largest number of training examples. All methods and seeds use the same subset.
    batch_size
        Examples per optimiser step.
    early_stopping
        End a trial after this many epochs without a better validation score.
    tuning_trials
        Trials per hyperparameter search; with 0, each method uses its defaults.
    max_validation
        Largest number of validation examples. A smaller validation split takes less time, and chooses
        epochs and candidates less well.
    micro_batch
        Examples per forward and backward pass, if a batch is too large for the memory. Their gradients
        add up to one optimiser step on the whole batch.

    Raises
    ------
    StudyError
        If a value is out of range.
    """

    epochs: int = 3
    max_train: int | None = None
    batch_size: int = 16
    early_stopping: int | None = None
    tuning_trials: int = 0
    max_validation: int | None = None
    micro_batch: int | None = None

    def __post_init__(self) -> None:
        for key in (
            "epochs", "batch_size", "max_train", "max_validation", "early_stopping", "micro_batch"
        ):  # fmt: skip
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
    def fingerprinted(self) -> dict[str, Any]:
        """The fields that a fingerprint holds: the first ones, and all that are not at their default."""
        return {
            f.name: value
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default or f.name in _FIRST_LIMITS
        }

    @property
    def micro_batch_size(self) -> int:
        """Examples per forward and backward pass."""
        return self.micro_batch or self.batch_size

    def steps(self, train_examples: int) -> int:
        """Return the optimiser steps of one trial on a training split of this size."""
        examples = min(train_examples, self.max_train or train_examples)
        return self.epochs * -(-examples // self.batch_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSource:
    """Where a task comes from: a known name, a hub data set or local files, and its columns.

    Parameters
    ----------
    name
        A task's name (``glue/sst2``), a hub id (``owner/name``), or a path to a file or folder.
    text_columns, label_column
        Names or 0-based indices; found by inspection by default.
    problem
        ``classification``, ``regression`` or ``generation``; found by inspection by default.
    metric
        Name of the score's metric (``matthews``, ``f1:CLASS``); by default the customary one of the
        problem.
    train, validation, test
        Files that override those found in a folder.
    prompt
        For generation: the prompt, with columns in braces (``Review: {text} Sentiment:``).
    verbaliser
        For generation: the words that stand for labels (``{"0": "bad", "1": "good"}``).
    held_out
        For generation: a file of text like that the backbone was pretrained on, with blank lines between
        texts. It measures how much the model forgets.
    folder
        For ``commonsense`` and ``arithmetic``: a folder in the LLM-Adapters layout, instead of the hub.
        For ``lm-eval:NAME``: the folder of the task's YAML file, if the task is your own.
    sets
        The sets of the mixture to use; all by default.

    Raises
    ------
    StudyError
        If a value is wrong, or two values contradict each other.
    """

    name: str
    text_columns: tuple[Column, ...] = ()
    label_column: Column | None = None
    problem: str | None = None
    metric: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    prompt: str | None = None
    verbaliser: Mapping[Column, str] = field(default_factory=dict)
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
                f"task {self.name!r}: {key} is for generation, but the problem is {self.problem}; "
                "leave out one of the two"
            )
        if len(self.text_columns) > 2:
            raise StudyError(
                f"task {self.name!r}: {len(self.text_columns)} text columns; give one, or two for a pair"
            )
        if self.problem is not None and self.problem not in PROBLEMS:
            raise StudyError(f"task {self.name!r}: {unknown('problem', self.problem, PROBLEMS)}")


@dataclass(frozen=True, kw_only=True, init=False)
class Study:
    """The question: methods x tasks x backbones x seeds under one budget.

    Parameters
    ----------
    name
        The study's name, also that of its run folder; by default made from its task and backbone.
    backbones
        Pretrained models: known names, hub ids or folders.
    tasks
        Data sets: names, hub ids, paths or `TaskSource`. Only a plan works without any.
    methods
        Methods to compare, such as ``lora:r=8``. With `auto`, all that apply by default.
    seeds
        Seeds of the final trials, or the number of them. ``auto``, or a mapping such as
        ``{"start": 3, "at_most": 12}``, gives more seeds to methods that are not decided yet.
    budget
        What every method may spend.
    conditions
        How every trial computes. Each field of `Conditions` is a keyword too: ``precision="float32"``.
    baseline
        The method that gaps, speed-ups and savings are measured against.
    track
        Trackers that receive each trial: ``tensorboard``, ``mlflow``, ``trackio``.
    auto
        For `whichpeft.auto`: what the race may spend, and what its answer has to fit. A mapping has them
        as people write them: ``{"within": "30m", "max_trainable": "1%"}``.
    backbone, task
        Short for a list of one.

    Raises
    ------
    StudyError
        If a value is wrong.
    """

    name: str = ""
    backbones: tuple[str, ...]
    tasks: tuple[TaskSource, ...] = ()
    methods: tuple[str, ...]
    seeds: Seeds = (0, 1, 2)
    budget: Budget = field(default_factory=Budget)
    conditions: Conditions = field(default_factory=Conditions)
    baseline: str = "full"
    track: tuple[str, ...] = ()
    auto: AutoOptions | None = None

    def __init__(
        self,
        *,
        name: str = "",
        backbones: Sequence[str] = (),
        tasks: Sequence[str | TaskSource] = (),
        methods: Sequence[str] = (),
        seeds: int | str | Sequence[int] | Mapping[str, int] | UntilDecided = (0, 1, 2),
        budget: Budget | None = None,
        conditions: Conditions | None = None,
        baseline: str = "full",
        track: Sequence[str] = (),
        auto: AutoOptions | Mapping[str, object] | None = None,
        backbone: str | None = None,
        task: str | TaskSource | None = None,
        **options: Unpack[ConditionOptions],
    ) -> None:
        def put(key: str, value: object) -> None:
            object.__setattr__(self, key, value)

        unexpected = options.keys() - Conditions.__dataclass_fields__
        if unexpected:
            raise TypeError(f"Study() got an unexpected keyword argument {min(unexpected)!r}")
        for key, given in (("backbones", backbones), ("tasks", tasks), ("methods", methods)):
            if isinstance(given, str):
                raise StudyError(f"study: {key} is a list; write {key}=[{given!r}]")
        put("backbones", (backbone,) if backbone is not None else tuple(backbones))
        sources = (task,) if task is not None else tuple(tasks)
        put("tasks", tuple(TaskSource(name=t) if isinstance(t, str) else t for t in sources))
        put("methods", tuple(methods))
        put("seeds", read_seeds(seeds))
        put("budget", Budget() if budget is None else budget)
        put("baseline", baseline)
        put("track", tuple(dict.fromkeys(track)))
        put("auto", read_auto(auto) if isinstance(auto, Mapping) else auto)
        self._check_kinds()
        if not name and self.tasks and self.backbones:
            name = default_name(self.tasks[0].name, self.backbones[0])
        put("name", name)
        self._check()
        try:
            put("conditions", replace(conditions or Conditions(), **options))
        except StudyError as error:
            raise StudyError(f"study {name!r}: {error}") from None

    @property
    def memory_options(self) -> tuple[str, ...]:
        """What reduces the memory of a trial, in words."""
        parts = self.budget.micro_batch
        own = () if parts is None else (f"micro-batches of {parts}",)
        return own + self.conditions.memory_options

    def _check_kinds(self) -> None:
        for key, what in (
            ("backbones", "a name or a folder, as text"),
            ("methods", "text, such as 'lora:r=8'. Register a method of your own as a plug-in (entry "
             "point whichpeft.methods) and give its name"),
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
        seeds = all_seeds(self.seeds)
        for key, values in (
            ("backbones", self.backbones),
            ("tasks", self.tasks),
            ("methods", self.methods),
            ("seeds", seeds),
        ):
            # A plan needs no tasks, and a race has all methods by default.
            optional = key == "tasks" or (key == "methods" and self.auto is not None)
            if not values and not optional:
                raise StudyError(f"study {self.name!r}: {key} is empty; name at least one")
            twice = sorted({str(v) for v in values if values.count(v) > 1})
            if twice:
                raise StudyError(f"study {self.name!r}: {key} names {twice[0]} twice; keep one")
        if any(seed < 0 for seed in seeds):
            raise StudyError(f"study {self.name!r}: seeds are whole numbers, 0 or more")
        for name in self.track:
            if name not in TRACKERS:
                raise StudyError(f"study {self.name!r}: track: {unknown('tracker', name, TRACKERS)}")


def default_name(task: str, backbone: str) -> str:
    """Return a study's default name, which is the name of a folder too."""
    return f"{short_name(task)}-{short_name(backbone)}".replace(":", "-")


def short_name(name: str) -> str:
    """Shorten a path or hub id to its last part, without a file's suffix."""
    last = name.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and stem and suffix.lower() in _SUFFIXES else last


_SUFFIXES = frozenset({
    "csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "parquet", "fasta", "fa", "faa", "fas",
})  # fmt: skip
