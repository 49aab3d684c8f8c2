"""One model sharded over several processes: each holds its share of every parameter.

This is fully sharded data parallelism (Rajbhandari et al. 2020, arXiv 1910.02054), by torch's
`fully_shard`. Every process applies the method with the same seeds and takes its share of each batch.
Gradients are summed over processes, weighted such that the update is that of a single process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from whichpeft.errors import TrialFailed
from whichpeft.methods.layers import all_layers
from whichpeft.tasks import Array

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one trial, as seen from one of them."""

    rank: int = 0
    size: int = 1

    def own(self, indices: Array) -> Array:
        """Return this process's share of a batch; neighbours of similar size are spread out."""
        return indices[self.rank :: self.size]

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a tensor over the processes."""
        if self.size > 1:
            value = value.clone()
            torch.distributed.all_reduce(value)
            value /= self.size
        return value

    def largest(self, value: float) -> float:
        """Return the largest of the processes' values; every process gets the same."""
        return float(max(self.gathered(value)))

    def gathered(self, value: T) -> list[T]:
        """Return the value of every process, in the order of their ranks."""
        if self.size == 1:
            return [value]
        found: list[T] = [value] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def device(self, first: str) -> str:
        """Return this process's device, given the device of the group's first process."""
        kind, _, index = first.partition(":")
        return first if kind != "cuda" else f"cuda:{int(index or 0) + self.rank}"


ALONE = Group()


@contextlib.contextmanager
def joined(rank: int, size: int, device: torch.device, meeting: Path) -> Iterator[Group]:
    """Join the other processes of a group by way of a file that does not exist yet; leave at the end."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=size,
        device_id=device if device.type == "cuda" else None,
    )
    try:
        yield Group(rank, size)
    finally:
        torch.distributed.destroy_process_group()


def shard(model: torch.nn.Module, group: Group, device: torch.device, gathered: torch.dtype) -> None:
    """Reduce every parameter to this process's share, on its device, in place.

    A layer is gathered when it runs and released after it; parameters outside the layers are gathered
    for a whole step. Raises TrialFailed if a parameter cannot be sharded.

    Parameters
    ----------
    gathered
        The type in which the linear weights of a layer travel, if it has only such weights and norms.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh(device.type, (group.size,))
    # Autocast would cast a gathered weight to the same values. Gradients are still summed in float32.
    narrow = MixedPrecisionPolicy(gathered, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in all_layers(model):
        norms = _norms_beside_linear(layer) if gathered is not torch.float32 else None
        for norm in norms or ():
            fully_shard(norm, mesh=mesh)
        if norms is None:
            fully_shard(layer, mesh=mesh)
        else:
            fully_shard(layer, mesh=mesh, mp_policy=narrow)
    fully_shard(model, mesh=mesh)
    model.to(device)  # buffers, which are not sharded
    whole = [name for name, p in model.named_parameters() if not isinstance(p, DTensor)]
    if whole:
        raise TrialFailed(f"{whole[0]} cannot be sharded: every process holds all of it", phase="set-up")


def _norms_beside_linear(layer: torch.nn.Module) -> list[torch.nn.Module] | None:
    """Return the norms of a layer whose other parameters are all in linear layers; else None."""
    own = [module for module in layer.modules() if [*module.parameters(recurse=False)]]
    norms = [module for module in own if "Norm" in type(module).__name__]
    linear = [module for module in own if type(module) is torch.nn.Linear]
    return norms if len(norms) + len(linear) == len(own) else None


def whole_tensors(model: torch.nn.Module, *, keep: bool) -> dict[str, torch.Tensor]:
    """Gather the tensors of a sharded model that training changes, by name, on the CPU.

    Every process of the group has to take part; those with `keep` unset get an empty result.
    """
    from torch.distributed.tensor import DTensor

    found = {}
    trained = ((name, p) for name, p in model.named_parameters() if p.requires_grad)
    for name, tensor in (*trained, *model.named_buffers()):
        whole = tensor.detach()
        if isinstance(whole, DTensor):
            whole = whole.full_tensor()
        if keep:
            found[name] = whole.cpu()
    return found
