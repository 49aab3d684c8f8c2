"""Several trials of one method as one model: their own tensors are stacked, the backbone is shared.

`torch.func.vmap` maps a task's loss over the stack. A product with a shared weight becomes one product
with the activations of all trials. The gradients of the stack are those of its trials, because no
trial's loss depends on another trial's weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from whichpeft.engine.optimisation import MAX_GRADIENT_NORM, learning_rate
from whichpeft.methods import Method
from whichpeft.tasks import Array, Batch, Examples, Task

Rows = Sequence[int]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's defaults for AdamW


@dataclass(frozen=True, slots=True)
class Own:
    """The tensors that belong to one trial only."""

    trained: torch.Tensor
    """The trained parameters, flattened in the order of the stack's layout, (count,)."""

    others: Mapping[str, torch.Tensor]
    """Frozen weights that the trial's seed drew, and buffers that training changes, by name."""


class Layout:
    """The place of each trained parameter of a model in one flat tensor, with those that decay first.

    It is built after a backward pass, because a parameter without a gradient does not decay either.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        trained = [(name, p) for name, p in model.named_parameters() if p.grad is not None]
        trained.sort(key=lambda item: item[1].dim() < 2)
        self.shapes = {name: tuple(p.shape) for name, p in trained}
        self.sizes = [p.numel() for _, p in trained]
        self.decaying = sum(p.numel() for _, p in trained if p.dim() >= 2)

    def flat(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Flatten tensors, given by parameter name, into one of shape (count,)."""
        return torch.cat([tensors[name].detach().reshape(-1) for name in self.shapes])

    def split(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Split (trials, count) into one (trials, *shape) per parameter."""
        pieces = flat.split(self.sizes, dim=1)
        return {
            name: piece.view(len(flat), *shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }


class Stack:
    """A model with the tensors of K trials, one row per trial.

    Attributes
    ----------
    trained
        The trained parameters, (K, count); a leaf with gradients.
    others
        The other tensors of the trials by name, each (K, *shape).
    """

    def __init__(self, model: torch.nn.Module, layout: Layout, rows: Sequence[Own]) -> None:
        self.model = model
        self._layout = layout
        device = next(model.parameters()).device
        self.trained = torch.stack([own.trained for own in rows]).to(device).requires_grad_()
        self.others = {
            name: torch.stack([own.others[name] for own in rows]).to(device) for name in rows[0].others
        }
        self._applied = _Applied(model)
        self._names = _names_of(model, [*layout.shapes, *self.others])

    def __len__(self) -> int:
        return len(self.trained)

    def losses(self, task: Task, batch: Batch, rows: Rows | None = None) -> torch.Tensor:
        """Return the loss of each trial, or of those in `rows`, on its own batch: (trials,).

        Parameters
        ----------
        batch
            Tensors of shape (trials, examples, ...), as `batch_of` returns them.
        """
        return self._map(task.loss, batch, rows)

    def outputs(self, task: Task, batch: Batch) -> torch.Tensor:
        """Return each trial's outputs on one batch, the same for all: (K, examples, width)."""
        # Repeated although it is shared, because some adapters add to a frozen layer's output in place.
        repeated = {key: value.expand(len(self), *value.shape) for key, value in batch.items()}
        return self._map(task.outputs, repeated, None)

    def _map(
        self, function: Callable[..., torch.Tensor], batch: Batch, rows: Rows | None
    ) -> torch.Tensor:
        trained, others = self.trained, self.others
        if rows is not None:
            index = torch.tensor(rows, device=trained.device)
            trained = trained[index]
            others = {name: tensor[index] for name, tensor in others.items()}

        def one(own: Mapping[str, torch.Tensor], inputs: Batch) -> torch.Tensor:
            named = {alias: own[name] for name in own for alias in self._names[name]}
            found: torch.Tensor = torch.func.functional_call(
                self._applied, named, (function, inputs), tie_weights=False
            )
            return found

        mapped = torch.func.vmap(one, in_dims=(0, 0), randomness="different")
        found: torch.Tensor = mapped(self._layout.split(trained) | others, batch)
        if rows is not None:  # buffers change in place, and indexing has copied them
            for name, tensor in others.items():
                self.others[name].index_copy_(0, index, tensor)
        return found

    def own(self, row: int) -> Own:
        """Copy the tensors of one trial to the host, as a device may have no room for the copies."""
        return Own(
            self.trained[row].detach().to("cpu", copy=True),
            {name: tensor[row].to("cpu", copy=True) for name, tensor in self.others.items()},
        )

    def keep(self, rows: Rows) -> None:
        """Keep only these trials."""
        index = torch.tensor(rows, device=self.trained.device)
        self.trained = self.trained.detach()[index].requires_grad_()
        self.others = {name: tensor[index] for name, tensor in self.others.items()}

    def put(self, own: Own) -> None:
        """Copy the tensors of one trial into the model itself, as if it had trained there."""
        tensors = tensors_of(self.model)
        trained = self._layout.split(own.trained[None])
        with torch.no_grad():
            for name, tensor in trained.items():
                tensors[name].copy_(tensor[0])
            for name, tensor in own.others.items():
                tensors[name].copy_(tensor)


class MappedOptimisation:
    """`Optimisation` for all trials of a stack together, each with its own method's rates and decay."""

    def __init__(self, stack: Stack, layout: Layout, methods: Sequence[Method], steps: int) -> None:
        self._stack = stack
        self._decaying = layout.decaying
        device = stack.trained.device
        rates = [[learning_rate(method, step, steps) for method in methods] for step in range(steps)]
        # On the device from the start, so that no step waits for its learning rates.
        self._rates = torch.tensor(rates, device=device)
        self._decay = torch.tensor([method.weight_decay for method in methods], device=device)
        self._decays = any(method.weight_decay for method in methods)
        self._mean = torch.zeros_like(stack.trained)
        self._square = torch.zeros_like(stack.trained)
        self._taken = 0

    def step(self, step: int) -> None:
        """Apply the gradients of step `step` (from 0), and clear them."""
        grad = self._stack.trained.grad
        if grad is None:
            return
        self._taken += 1
        rates = self._rates[step][:, None]
        with torch.no_grad():
            weights = self._stack.trained.detach()
            grad.mul_((MAX_GRADIENT_NORM / (grad.norm(dim=1, keepdim=True) + 1e-6)).clamp_(max=1.0))
            if self._decays:
                weights[:, : self._decaying].mul_(1 - rates * self._decay[:, None])
            # AdamW as torch implements it (Loshchilov and Hutter 2019, arXiv 1711.05101).
            first, second = _BETAS
            self._mean.lerp_(grad, 1 - first)
            self._square.mul_(second).addcmul_(grad, grad, value=1 - second)
            spread = torch.sqrt(self._square, out=grad)
            spread.div_(math.sqrt(1 - second**self._taken)).add_(_EPSILON)
            change = torch.div(self._mean, spread, out=grad)
            weights.sub_(change.mul_(rates / (1 - first**self._taken)))
        self._stack.trained.grad = None

    def keep(self, rows: Rows) -> None:
        """Keep only these trials, like `Stack.keep`."""
        index = torch.tensor(rows, device=self._mean.device)
        self._mean, self._square = self._mean[index], self._square[index]
        self._rates, self._decay = self._rates[:, index], self._decay[index]


class _Applied(torch.nn.Module):  # type: ignore[misc]
    """Applies a function to a model, so that `functional_call` can replace the model's weights."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., torch.Tensor], batch: Batch) -> torch.Tensor:
        return function(self.model, batch)


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's parameters and buffers by name."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def batch_of(examples: Examples, indices: Sequence[Array]) -> Batch:
    """Return the batches of several trials as one, (trials, examples, ...), padded to one length.

    Parameters
    ----------
    indices
        The examples of each trial, equally many for all.
    """
    together = examples.batch(np.concatenate(indices))
    return {key: value.unflatten(0, (len(indices), -1)) for key, value in together.items()}


def _names_of(model: torch.nn.Module, names: Sequence[str]) -> dict[str, list[str]]:
    """Return all names that `_Applied` has for each named tensor: shared tensors have several."""
    found: dict[int, list[str]] = {}
    every = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    by_name = dict(every)
    for name, tensor in every:
        found.setdefault(id(tensor), []).append(f"model.{name}")
    return {name: found[id(by_name[name])] for name in names}
