"""Backbones with batch normalisation, which computes with the examples of a batch together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whichpeft.backbones import Backbone
from whichpeft.backbones.quiet_libraries import quiet_warnings
from whichpeft.tasks import Task

if TYPE_CHECKING:
    import torch

    from whichpeft.study import Budget


def normalises_batches(model: torch.nn.Module) -> bool:
    """Whether a model has batch normalisation."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(isinstance(module, _BatchNorm) for module in model.modules())


def set_training(model: torch.nn.Module) -> torch.nn.Module:
    """Put a model into training mode, except for batch normalisation whose parameters are all frozen.

    In training mode, such a layer would normalise by the batch and move its running statistics, so that
    a frozen network would not stay as it is. The layer trains as usual if any of its parameters does.
    """
    model.train()
    for module in frozen_norms(model):
        module.eval()
    return model


def frozen_norms(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers of batch normalisation whose own parameters are all frozen."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        and not any(own.requires_grad for own in module.parameters(recurse=False))
    ]


def fewest_together(task: Task, backbone: Backbone) -> int:
    """Return how many examples have to be in a batch in training.

    These are two if batch normalisation gets a single value per channel from one example, else one.
    """
    import torch

    # With all layers: the deeper ones see the smallest images.
    with torch.device("meta"), quiet_warnings():
        model = task.build_on_meta(backbone)
        if not normalises_batches(model):
            return 1
        try:
            task.loss(model.train(), task.dummy_batch(backbone, 1, 1))
        except ValueError as error:
            return 2 if "more than 1 value per channel" in str(error) else 1
        except Exception:  # a model that does not run without weights
            return 1
    return 1


def refuses_batches(task: Task, backbone: Backbone, budget: Budget) -> str | None:
    """Return why a batch of one cannot be avoided and the backbone cannot train on it, or None."""
    count = min(task.counts["train"], budget.max_train or task.counts["train"])
    size, micro = budget.batch_size, budget.micro_batch_size
    if size == 1:
        found, fix = "batches of one", "use --batch-size 3 or more"
    elif micro == 1:
        found, fix = "micro-batches of one", "use --micro-batch 2 or more"
    elif count == 1 or (size == 2 and count % 2):
        found, fix = "a last batch of one", "use --batch-size 3 or more, or another --max-train"
    else:
        return None
    if fewest_together(task, backbone) == 1:
        return None
    return f"{backbone.family}'s batch normalisation cannot train on {found}; {fix}"


def micro_batch_note(task: Task, backbone: Backbone, budget: Budget) -> str | None:
    """Return what micro-batches change for a backbone with batch normalisation, or None."""
    import torch

    if budget.micro_batch is None or budget.micro_batch >= budget.batch_size:
        return None
    with torch.device("meta"), quiet_warnings():
        if not normalises_batches(task.build_on_meta(backbone)):
            return None
    return (
        f"batch normalisation sees {budget.micro_batch} examples at a time, not {budget.batch_size}: "
        "with --micro-batch its statistics differ from those of whole batches"
    )
