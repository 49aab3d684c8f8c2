"""A method applied to a backbone that has shapes but no weights, on the meta device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.backbones import Backbone
from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.methods import Adapter, Method, MethodContext
from whichpeft.methods.weightless import WeightsDecide
from whichpeft.tasks import Task

if TYPE_CHECKING:
    import torch

_LONGEST_REASON = 200
# Two depths show what one layer adds. One layer would not do: the lowest needs no gradient of its input.
FEW_LAYERS = (2, 3)
_ALIKE: dict[str, bool] = {}  # by configuration, since every method needs it
_STEPS = 1000  # length of the trial that a meta model stands for
# Names of modules with layer numbers in them (layer.0.query), lists of numbers ([0, 1], [0-9]), and
# PEFT's option that numbers layers.
_NUMBERED = re.compile(r"[A-Za-z_]\.\d|\[\d|layers_to_transform\": [^n]")


@dataclass(frozen=True, slots=True)
class MetaModel:
    """An adapted model on the meta device."""

    adapter: Adapter
    """The model with the method applied."""

    sizes: Mapping[str, int]
    """Elements of each parameter before the method was applied, by name."""

    head: frozenset[str]
    """Names of the task's head parameters."""

    quantise: str | None = None
    """The format in which a run loads the backbone's weights; the meta device has none."""


def build_meta_model(
    method: Method, backbone: Backbone, task: Task, *, same_targets: bool, steps: int = _STEPS
) -> MetaModel:
    """Apply a method to the task's model without weights. Raises any error of the method.

    The parameters that the method adds have no weights either, unless the method reads them, such as an
    order that it draws; then only those are created. `steps` is the length of the trial that the meta
    model stands for.
    """
    import torch

    try:
        return _build(method, backbone, task, same_targets, steps, torch.device("meta"))
    except (NotImplementedError, RuntimeError) as error:
        if not needs_weights(error):
            raise
        return _build(method, backbone, task, same_targets, steps, torch.device("cpu"))


def _build(
    method: Method,
    backbone: Backbone,
    task: Task,
    same_targets: bool,
    steps: int,
    place: torch.device,
) -> MetaModel:
    import torch

    with quiet_warnings():
        with torch.device("meta"):
            model = task.build_on_meta(backbone)
        head = frozenset(task.head_parameters(model))
        sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
        context = MethodContext(
            task_type=task.task_type,
            head=head,
            steps=steps,
            same_targets=same_targets,
            weightless=True,
        )
        with place:
            return MetaModel(method.apply(model, context), sizes, head, backbone.quantise)


def treats_layers_alike(method: Method, backbone: Backbone) -> bool:
    """Whether a few layers show what the method does to all layers.

    They do not if it names layers by number. A method declares that with ``layers_alike=False``.
    """
    chosen = method.hyperparameters
    if any(re.search(r"\d", pattern) for pattern in _patterns(chosen)):
        return False
    alike = method.info.layers_alike and backbone.depth is not None
    return alike and not _NUMBERED.search(json.dumps(chosen))


def _patterns(options: Mapping[str, object]) -> Iterator[str]:
    """Yield the regular expressions among the options of a method, or of the parts of one."""
    for key, value in options.items():
        if isinstance(value, Mapping):  # such as rank_pattern, whose keys are patterns
            yield from value if key.endswith("_pattern") else _patterns(value)
        elif isinstance(value, str) and key in ("target_modules", "exclude_modules", "layers_pattern"):
            yield value


def layers_are_alike(backbone: Backbone, task: Task) -> bool:
    """Whether each layer after the second adds the same number of parameters to the task's model."""
    content = json.dumps([task.name, backbone.config], sort_keys=True, default=str)
    if content not in _ALIKE:
        _ALIKE[content] = _grows_evenly(backbone, task)
    return _ALIKE[content]


def _grows_evenly(backbone: Backbone, task: Task) -> bool:
    import torch

    def size(of: Backbone) -> tuple[int, int]:
        with torch.device("meta"):
            parameters = list(task.build_on_meta(of).parameters())
        return len(parameters), sum(parameter.numel() for parameter in parameters)

    whole = backbone.depth or 0
    if whole <= max(FEW_LAYERS):
        return False
    low, high = FEW_LAYERS
    try:
        sizes = zip(size(backbone.with_depth(low)), size(backbone.with_depth(high)), strict=True)
    except Exception:  # some configurations cannot be cut
        return False
    return size(backbone) == tuple(a + (whole - low) * (b - a) // (high - low) for a, b in sizes)


def needs_weights(error: Exception) -> bool:
    """Whether an error only means that the model has no weights."""
    text = str(error).casefold()
    return isinstance(error, WeightsDecide) or "meta" in text or "no data" in text


def why_untold(error: Exception) -> str:
    """Return why an error leaves something untold, in one line without a final period."""
    from torch._subclasses import fake_tensor

    reads = (fake_tensor.DataDependentOutputException, fake_tensor.DynamicOutputShapeException)
    if isinstance(error, WeightsDecide):
        return str(error)
    if needs_weights(error) or isinstance(error, reads):
        return "it reads the content of tensors, which only a run has"
    reason = " ".join(str(error).split())[:_LONGEST_REASON].rstrip(".")
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
