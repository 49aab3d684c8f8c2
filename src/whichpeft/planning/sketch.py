"""A method applied to a backbone of which there are shapes and no weights, and whether that works."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft.backbones import Backbone
from whichpeft.backbones.recompute import recompute_activations, stop_recomputing
from whichpeft.errors import RequestError
from whichpeft.methods import Adapter, Method, MethodContext
from whichpeft.methods.placements import all_layers
from whichpeft.tasks import Task

if TYPE_CHECKING:
    import torch

_FEW_LAYERS = 2
_SIZE, _LENGTH = 2, 8
_STEPS = 1000  # of the trial that a sketch stands for
# Names of modules with layer numbers in them (layer.0.query), lists of numbers ([0, 1], [0-9]), and
# PEFT's option that numbers layers.
_NUMBERED = re.compile(r"[A-Za-z_]\.\d|\[\d|layers_to_transform\": [^n]")
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Sketch:
    """An adapted model on the meta device.

    sizes: of its parameters before; head: the task's. quantise: how the backbone's weights are to be
    loaded, which on the meta device they are not.
    """

    adapter: Adapter
    sizes: Mapping[str, int]
    head: frozenset[str]
    quantise: str | None = None


def make_sketch(
    method: Method, backbone: Backbone, task: Task, *, same_targets: bool, steps: int = _STEPS
) -> Sketch:
    """Apply a method to the task's model without weights. Raises whatever the method raises.

    What the method adds has no weights either, unless it has to look at what it adds, such as an
    order that it draws: then that alone is made. steps: of the trial that the sketch stands for.
    """
    import torch

    try:
        return _make_sketch(method, backbone, task, same_targets, steps, torch.device("meta"))
    except (NotImplementedError, RuntimeError) as error:
        if not _wants_weights(error):
            raise
        return _make_sketch(method, backbone, task, same_targets, steps, torch.device("cpu"))


def _make_sketch(
    method: Method,
    backbone: Backbone,
    task: Task,
    same_targets: bool,
    steps: int,
    place: torch.device,
) -> Sketch:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            model = task.sketch(backbone)
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
            return Sketch(method.apply(model, context), sizes, head, backbone.quantise)


def treats_layers_alike(method: Method, backbone: Backbone) -> bool:
    """Whether a few layers show what the method does to all of them.

    Not where it names layers by their number; a method says so by ``by_layer = False``.
    """
    chosen = method.hyperparameters
    patterns = (chosen.get(key) for key in ("target_modules", "exclude_modules", "layers_pattern"))
    if any(isinstance(pattern, str) and re.search(r"\d", pattern) for pattern in patterns):
        return False
    return method.by_layer and backbone.depth is not None and not _NUMBERED.search(json.dumps(chosen))


def probe(
    method: Method,
    backbone: Backbone,
    task: Task,
    *,
    same_targets: bool,
    gradient_checkpointing: bool = False,
    shards: int = 1,
) -> str | None:
    """Try a method and a step without an update on a model without weights; say why it fails, or None.

    The backward pass is taken for gradient checkpointing alone, which leaves some methods' parts out of
    it. What fails for want of weights only says nothing, and is no reason.
    """
    import torch

    if treats_layers_alike(method, backbone) and (backbone.depth or 0) > _FEW_LAYERS:
        backbone = backbone.with_depth(_FEW_LAYERS)
    try:
        adapter = make_sketch(method, backbone, task, same_targets=same_targets).adapter
    except RequestError:
        raise
    except Exception as error:  # whatever a library raises, the method does not work there
        return None if _wants_weights(error) else _reason(error)
    if not adapter.trains:
        return None
    indivisible = _indivisible(adapter.model) if shards > 1 else None
    if indivisible is not None:
        return indivisible
    fault = _fault(task, backbone, adapter.model)
    if fault is None and gradient_checkpointing:
        return _left_out(task, backbone, adapter.model)
    if fault is None or _wants_weights(fault):
        return None
    with torch.device("meta"):
        bare = task.sketch(backbone)
    # A model that does not run without weights either says nothing of the method.
    return None if _fault(task, backbone, bare) is not None else _reason(fault)


def _indivisible(model: torch.nn.Module) -> str | None:
    """Say what of a model cannot be spread over processes layer by layer, or None."""
    layers = all_layers(model)
    groups = [dict(layer.named_parameters()) for layer in layers]
    groups.append(_outside(model, {id(layer) for layer in layers}))
    owners: dict[int, int] = {}
    for number, group in enumerate(groups):
        for name, parameter in group.items():
            if parameter.dim() == 0:
                return f"{name} is a single number, of which processes cannot hold shares"
            if owners.setdefault(id(parameter), number) != number:
                return f"its layers share {name}, and processes take shares of each layer apart"
    return None


def _outside(model: torch.nn.Module, layers: Collection[int]) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are met without going through one of the layers."""
    found = {name: p for name, p in model._parameters.items() if p is not None}
    for name, child in model.named_children():
        if id(child) not in layers:
            found |= {f"{name}.{key}": p for key, p in _outside(child, layers).items()}
    return found


def _left_out(task: Task, backbone: Backbone, model: torch.nn.Module) -> str | None:
    """Say what gradient checkpointing keeps from learning, or None where it changes nothing.

    On fake tensors, since the meta device is none that activations are computed again on.
    """
    import torch

    from whichpeft.planning.fake import make_fake

    device = torch.device("cpu")
    with torch.device("meta"):
        shapes = task.dummy_batch(backbone, _SIZE, _LENGTH)
    # The random state is of no matter here, and it has content.
    if not recompute_activations(model, preserve_rng_state=False):
        return f"transformers has no gradient checkpointing for {backbone.family}"
    try:
        with make_fake(model, device), device, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = {key: torch.empty(value.shape, dtype=value.dtype) for key, value in shapes.items()}
            recomputed = _learning(task, model, batch)
            stop_recomputing(model)
            plain = _learning(task, model, batch)
    except torch.utils.checkpoint.CheckpointError as error:
        return f"gradient checkpointing breaks it: {_reason(error)}"
    except Exception:  # of many kinds, where content is looked at: a run will tell
        return None
    missing = sorted(plain - recomputed)
    if not missing:
        return None
    return f"gradient checkpointing leaves it out of the backward pass: {missing[0]} gets no gradient"


def _learning(task: Task, model: torch.nn.Module, batch: Mapping[str, Any]) -> set[str]:
    """Return the names of the parameters that get a gradient."""
    task.loss(model.train(), dict(batch)).backward()
    found = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def _fault(task: Task, backbone: Backbone, model: torch.nn.Module) -> Exception | None:
    """Take a forward pass on the meta device and return what it raised, if it did."""
    import torch

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            task.loss(model.train(), task.dummy_batch(backbone, _SIZE, _LENGTH))
    except Exception as error:
        return error
    return None


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_LONGEST_REASON]


def _wants_weights(error: Exception) -> bool:
    return "meta" in str(error).casefold() or "no data" in str(error).casefold()
