"""Traces one training step on fake tensors: all memory that is allocated and freed, and the FLOPs."""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from torch.utils.weak import WeakIdKeyDictionary

from whichpeft.backbones.gradient_checkpointing import enable_gradient_checkpointing
from whichpeft.costs.fused_attention import fused_attention
from whichpeft.costs.layout import count, lay_out
from whichpeft.costs.quantised import quantise_frozen
from whichpeft.engine.compute import Compute, store_frozen_weights
from whichpeft.engine.dropout import use_fast_dropout
from whichpeft.engine.loop import take_step
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.engine.optimisation import Optimisation
from whichpeft.engine.profiling.adapter_size import bytes_to_save
from whichpeft.engine.weights.tied_head import keep_cast_heads
from whichpeft.methods import Adapter, Method
from whichpeft.methods.layers import all_layers
from whichpeft.methods.targets import new_modules
from whichpeft.planning import MetaModel
from whichpeft.planning.batch_norm import set_training
from whichpeft.planning.fake_tensors import make_fake
from whichpeft.tasks import Array, Batch, Task

FORWARD, BACKWARD, UPDATE = range(3)
_STEPS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """The memory and the FLOPs of one step."""

    weights: int
    """Bytes of parameters and buffers."""

    kept: int
    """Bytes that remain after the step: the optimiser's state."""

    phases: tuple[Array, Array, Array]
    """For forward, backward and update an array of shape (allocations, 3).

    The columns are the bytes in use after an allocation, the bytes of gradients among them, and a number
    for the operation that allocated. The update is reduced to its peak.
    """

    flops: int
    """FLOPs of the forward and backward pass."""

    gradients: int
    """Number of parameters that got a gradient."""

    gathered: int
    """Bytes that each process of a sharded model briefly holds whole, including gradients.

    They are those of the parameters outside the layers, the current layer and the next one.
    """


class FakeBench:
    """A meta model prepared as the engine prepares a model for a device, to take steps with.

    Its fake tensors are those of a CPU, whatever the device: torch creates none on a device that it was
    not built for, and on a GPU that exists they would take half a GB for its context.
    """

    def __init__(self, meta_model: MetaModel, method: Method, task: Task, compute: Compute) -> None:
        self.counts = count(meta_model)
        """The numbers of parameters, before any weight is quantised."""
        self.trains = meta_model.adapter.trains
        self._method = method
        model = meta_model.adapter.model
        if meta_model.quantise is not None:
            quantise_frozen(model, meta_model.quantise, new_modules(meta_model.head))
        store_frozen_weights(model, compute.precision)
        keep_cast_heads(model, compute.precision)
        if compute.device.type == "cpu":
            use_fast_dropout(model)
        self.layout = self.counts | lay_out(model)
        self._on_gpu = compute.device.type == "cuda"
        traced = Compute(torch.device("cpu"), compute.precision)
        self._mode = make_fake(model, traced.device)
        set_training(model)
        self._prepared = PreparedTrial(task, {}, _WithoutPenalty(meta_model.adapter), traced, ())

    def checkpoint(self) -> bool:
        """Turn gradient checkpointing on; return False if the model does not support it."""
        # The random state does not matter here, and saving it would read content.
        return enable_gradient_checkpointing(self._prepared.model, preserve_rng_state=False)

    def saved_bytes(self) -> int | Exception:
        """Return the adapter's size on disk in bytes, or the error that leaves it unknown."""
        with self._mode:
            return bytes_to_save(self._prepared.adapter)

    def step(self, batch: Batch) -> Trace:
        """Take one step on a batch from the meta device and return its trace."""
        prepared = self._prepared
        device = prepared.compute.device
        with self._mode, device:
            inputs = {key: torch.empty(value.shape, dtype=value.dtype) for key, value in batch.items()}
            optimisation = Optimisation(prepared, self._method, _STEPS)
            account = _Account(prepared.model, inputs)
            with account, fused_attention() if self._on_gpu else contextlib.nullcontext():
                try:
                    # The first step, because later ones may read content to change shapes.
                    take_step(prepared, optimisation, [(inputs, 1.0)], 0)
                except Exception:
                    if account.phase != UPDATE:  # else only what follows the step has failed
                        raise
                optimisation.clear()
        return dataclasses.replace(account.close(), gathered=_gathered(prepared.model))


class _WithoutPenalty:
    """An adapter without its penalty, which is on small factors and hides that layers repeat."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.model = adapter.model
        self.trains = adapter.trains

    def penalty(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class _Account(TorchDispatchMode):  # type: ignore[misc]
    """Follows each storage from the operation that creates it until it is freed; counts FLOPs."""

    def __init__(self, model: torch.nn.Module, inputs: Batch) -> None:
        super().__init__()
        self.phase = FORWARD
        self._now = self._gradients = self._flops = self._count = 0
        self._known = WeakIdKeyDictionary()
        self._rows: list[list[tuple[int, int, int]]] = [[], [], []]
        self._operation = 0
        self._note([*model.parameters(), *model.buffers()])
        self._weights = self._now
        self._note(inputs.values())
        self._before = self._now
        self._rows[FORWARD].clear()  # these allocations were before the step
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(self._accumulated)
            for parameter in model.parameters()
            if parameter.requires_grad
        ]

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func is torch.ops.prim.device.default:
            return args[0].fake_device  # requested all the time, and slow by the usual path
        out = func(*args, **(kwargs or {}))
        # The backward pass runs inside the autograd engine; the update follows it.
        if torch._C._current_graph_task_id() != -1:
            self.phase = BACKWARD
        elif self.phase == BACKWARD:
            self.phase = UPDATE
        self._operation = _number(func)
        self._note(tree_leaves(out))
        count = _FLOPS.get(func._overloadpacket)
        if count is not None:
            self._flops += count(*args, **(kwargs or {}), out_val=out)
        return out

    def close(self) -> Trace:
        for hook in self._hooks:
            hook.remove()
        forward, backward, update = (np.array(rows).reshape(-1, 3) for rows in self._rows)
        update = update[update[:, 0].argmax() :][:1] if len(update) else update
        return Trace(
            weights=self._weights,
            kept=self._now - self._before,
            phases=(forward, backward, update),
            flops=self._flops,
            gradients=self._count,
            gathered=0,
        )

    def _note(self, values: Iterable[object]) -> None:
        for value in values:
            if not isinstance(value, torch.Tensor):
                continue
            storage = value.untyped_storage()
            if storage not in self._known:
                size = storage.nbytes()
                self._known[storage] = size
                self._now += size
                weakref.finalize(storage, self._freed, size).atexit = False
                self._rows[self.phase].append((self._now, self._gradients, self._operation))

    def _freed(self, size: int) -> None:
        self._now -= size

    def _accumulated(self, parameter: torch.nn.Parameter) -> None:
        self._gradients += parameter.grad.untyped_storage().nbytes()
        self._count += 1


def _gathered(model: torch.nn.Module) -> int:
    def size(parameters: Iterable[torch.nn.Parameter]) -> tuple[int, int]:
        """Return the bytes of some parameters, and the bytes of their gradients."""
        sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in parameters]
        return sum(n for n, _ in sizes), sum(n for n, trains in sizes if trains)

    layers = [size(layer.parameters()) for layer in all_layers(model)]
    whole = size(model.parameters())
    outside = [whole[i] - sum(layer[i] for layer in layers) for i in range(2)]
    widest = max(layers, key=sum, default=(0, 0))
    return sum(outside) + 2 * widest[0] + widest[1]


@cache
def _number(operation: torch._ops.OpOverload) -> int:
    """Return a number for an operation by its name, so that two steps can be compared."""
    return zlib.crc32(str(operation).encode())


def _flash_for_cpu(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: object, **kwargs: object
) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _flash_for_cpu_backward(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *args: object,
    **kwargs: object,
) -> int:
    return int(sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape))


# Torch's own counter only knows the attention kernels of GPUs.
_FLOPS: dict[torch._ops.OpOverloadPacket, Callable[..., int]] = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _flash_for_cpu,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _flash_for_cpu_backward,
}
