"""The device and the precision that a trial computes with."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from whichpeft.errors import StudyError, unknown
from whichpeft.tasks import Batch

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the precision of matrix products on it."""

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context for forward passes."""
        if self.precision == "float32":
            return nullcontext()
        context: AbstractContextManager[Any] = torch.autocast(self.device.type, torch.bfloat16)
        return context

    def place(self, batch: Batch) -> Batch:
        """Move a batch to the device, without waiting for it if the device has a queue."""
        if self.device.type == "cpu":
            return batch
        if self.device.type == "cuda":
            # Only memory of the host can be pinned.
            return {
                k: v if v.is_cuda else v.pin_memory().to(self.device, non_blocking=True)
                for k, v in batch.items()
            }
        return {key: value.to(self.device) for key, value in batch.items()}

    def synchronise(self) -> None:
        """Wait until the device has finished its queue, so that a clock can be read."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def let_go(self) -> None:
        """Free what the device's allocator still holds of an earlier attempt."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def find_devices(requested: str) -> list[str]:
    """Return the devices that trials may use, one trial at a time on each; a CPU counts as one device.

    Raises StudyError if the requested kind does not exist on this machine.
    """
    if requested not in DEVICES:
        raise StudyError(unknown("device", requested, DEVICES))
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    found = {"cuda": cuda, "mps": mps, "cpu": ["cpu"], "auto": cuda or mps or ["cpu"]}[requested]
    if not found:
        raise StudyError(f"device {requested!r}: torch finds none on this machine; use --device auto")
    return found


def group_devices(devices: Sequence[str], shards: int) -> list[str]:
    """Return the first device of each group over which a trial may be sharded.

    Raises StudyError if there are too few devices, or if their kind cannot share a model.
    """
    if shards > 1 and torch.__version__ < (2, 7):  # older ones refuse mixed types
        raise StudyError(
            f"shards is {shards}: needs torch 2.7 or newer, and this is {torch.__version__}; "
            "install it, or leave shards at 1"
        )
    if shards == 1 or (devices[0] == "cpu" and torch.distributed.is_available()):
        return list(devices)
    if not devices[0].startswith("cuda"):
        raise StudyError(f"shards is {shards}: {devices[0]} cannot share a model; leave shards at 1")
    if len(devices) < shards:
        raise StudyError(
            f"shards is {shards}: torch finds {len(devices)} devices on this machine; use fewer shards"
        )
    return [devices[i] for i in range(0, len(devices) - shards + 1, shards)]


def choose_compute(device: str, precision: str) -> Compute:
    """Resolve ``auto`` to bfloat16 if the hardware multiplies it, else to float32.

    Raises StudyError if bfloat16 is requested and the device does not multiply it.
    """
    place = torch.device(device)
    able = _multiplies_bfloat16(place)
    if precision == "bfloat16" and not able:
        raise StudyError(f"precision bfloat16: {device} does not multiply it; use auto or float32")
    return Compute(place, "bfloat16" if able and precision != "float32" else "float32")


def product_type(compute: Compute) -> torch.dtype:
    """Return the type that 4-bit weights are multiplied in: bfloat16, or float16 if that is emulated."""
    native = compute.precision == "bfloat16" or _multiplies_bfloat16(compute.device)
    return torch.bfloat16 if native else torch.float16


def store_frozen_weights(model: torch.nn.Module, precision: str) -> None:
    """Store the frozen weights of linear layers in the precision that they are multiplied in.

    Autocast would cast them to the same values again at every step. Stored this way, they also take half
    the memory. Weights shared with an embedding stay as they are (see `tied_head`).
    """
    kind = stored_kind(model, precision)
    for parameter in model.parameters():
        if parameter.is_floating_point() and kind(parameter) is not torch.float32:
            parameter.data = parameter.data.to(kind(parameter))


def stored_kind(model: torch.nn.Module, precision: str) -> Callable[[torch.Tensor], torch.dtype]:
    """Return the type that each tensor of a model is stored in: that of the products, or float32."""
    if precision == "float32":
        return lambda tensor: torch.float32
    shared = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding)
        for parameter in module.parameters(recurse=False)
    }
    multiplied = {
        id(parameter)
        for module in model.modules()
        if type(module) is torch.nn.Linear
        for parameter in module.parameters(recurse=False)
        if not parameter.requires_grad and id(parameter) not in shared
    }
    return lambda tensor: torch.bfloat16 if id(tensor) in multiplied else torch.float32


def own_memory(model: torch.nn.Module) -> None:
    """Copy weights out of the file that they are mapped from, so that the mapping can be released.

    As long as one weight needs the mapping, every page that was ever read stays resident. That includes
    the pages of weights that are now stored in another precision, which nothing reads again.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    if device.type == "cpu":
        # Emulated bfloat16 is slower than float32, so only native instructions count.
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
