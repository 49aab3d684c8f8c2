"""Options that several commands share, and those that come from the fields of `Conditions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar, get_type_hints

import typer

from whichpeft.study.conditions import Conditions, condition_infos

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")]

StudyFile = Annotated[
    Path | None, typer.Argument(metavar="[STUDY.yaml]", help="Study file; options override it.")
]
Methods = Annotated[
    list[str] | None, typer.Option(help="Method to compare, such as lora:r=8. May be repeated.")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training examples.")]
MaxTrain = Annotated[int | None, typer.Option(help="Use at most this many training examples.")]
BatchSize = Annotated[int | None, typer.Option(help="Examples per optimiser step.")]
MicroBatch = Annotated[
    int | None,
    typer.Option(help="Examples per forward and backward pass; gradients add up to a whole batch."),
]
TextColumn = Annotated[
    list[str] | None, typer.Option(help="Text column: name or 0-based index. Twice for a pair of texts.")
]
LabelColumn = Annotated[str | None, typer.Option(help="Label column: name or 0-based index.")]
Problem = Annotated[
    str | None,
    typer.Option(help="classification, regression, multilabel, tagging, retrieval or generation."),
]
TrainFile = Annotated[str | None, typer.Option(help="File with the training examples.")]
SetsFolder = Annotated[
    str | None,
    typer.Option(help="Folder with the data of commonsense or arithmetic, or with the lm-eval task."),
]
Metric = Annotated[str | None, typer.Option(help="Metric of the score: matthews, f1:CLASS.")]
ValidationFile = Annotated[str | None, typer.Option(help="File with the validation examples.")]
TestFile = Annotated[str | None, typer.Option(help="File with the test examples.")]
Baseline = Annotated[str | None, typer.Option(help="Method that the others are compared with.")]
Out = Annotated[Path | None, typer.Option(help="Run folder.")]
Jobs = Annotated[
    int | None, typer.Option(help="Number of trials that run in parallel; on GPUs at most.")
]
ExecutorName = Annotated[
    str, typer.Option(help="Where trials run: local, or ray for the cluster at RAY_ADDRESS.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]

MaxMemory = Annotated[
    str | None, typer.Option(help="Limit for the peak memory of training, such as 6GB.")
]
MaxTrainable = Annotated[
    str | None, typer.Option(help="Limit for the trainable share of all parameters, such as 1%.")
]
MaxAdapterSize = Annotated[
    str | None, typer.Option(help="Limit for the size of the saved adapter, such as 5MB.")
]
MaxLatency = Annotated[
    str | None, typer.Option(help="Limit for the inference time of one example, such as 20ms.")
]
MaxTrainTime = Annotated[
    str | None, typer.Option(help="Limit for the training time of one trial, such as 10m.")
]
WriteTo = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write the chosen method to this folder: its adapter, and scripts to predict and train.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what --write wrote to its folder before.")
]

_PRECEDING = "micro_batch"  # the parameter after which the options of `Conditions` are listed

P = ParamSpec("P")
R = TypeVar("R")


def with_condition_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command the options that `Conditions` declares for it, in place of its ``**keywords``.

    The value of an option that is not given is None. Typer reads the options from the signature.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    place = 1 + [p.name for p in own].index(_PRECEDING)
    added = list(_condition_options(command.__name__))
    parameters = [*own[:place], *added, *own[place:]]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


def _condition_options(command: str) -> Iterator[inspect.Parameter]:
    types = get_type_hints(Conditions)
    for name, info in condition_infos():
        if info.help is None or command not in info.commands:
            continue
        kind = types[name]
        # A flag has no opposite, since only what differs from the default has to be asked for.
        flags = [f"--{name.replace('_', '-')}"] if kind is bool else []
        option = typer.Option(*flags, help=info.help)
        annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
        yield inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation
        )
