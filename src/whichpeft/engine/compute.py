"""The device and the precision that a trial computes with."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from whichpeft.errors import StudyError, unknown
from whichpeft.study import Conditions
from whichpeft.tasks import Batch

DEVICES = ("auto", "cpu", "cuda", "mps")
# Share of a GPU's memory that the tensors of all its trials may fill; their contexts take the rest. It
# is more than `executors.places` expects of them.
_SHARED = 0.85
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the precision of matrix products on it."""

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context for forward passes."""
        if self.precision == "float32":
            return nullcontext()
        context: AbstractContextManager[Any] = torch.autocast(self.device.type, DTYPES[self.precision])
        return context

    def unmasked(self, batch: Batch) -> Batch:
        """Return a GPU's batch of texts without its mask if that hides nothing; else the batch as it is.

        With a mask, a GPU is waited for in each pass, to look whether the mask hides something.
        """
        if self.device.type != "cuda" or not {"input_ids", "attention_mask"} <= batch.keys():
            return batch
        mask = batch["attention_mask"]
        if mask.device.type != "cpu" or not bool(mask.all()):
            return batch
        return {key: value for key, value in batch.items() if key != "attention_mask"}

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
        elif self.device.type == "mps":
            torch.mps.empty_cache()


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


def choose_compute(device: str, precision: str, others: Sequence[str] = ()) -> Compute:
    """Resolve ``auto`` to a precision that the device multiplies, and that suits other devices too.

    That is bfloat16; else float16, if a GPU has matrix units for it; else float32.

    Parameters
    ----------
    others
        Devices that are to compute in the same precision.

    Raises
    ------
    StudyError
        If a precision is requested that one of the devices does not multiply.
    """
    devices = list(dict.fromkeys([device, *others]))
    if precision == "auto":
        shared = [p for p in ("bfloat16", "float16") if all(p in _fast(d) for d in devices)]
        precision = next(iter(shared), "float32")
    elif precision != "float32":
        unable = [d for d in devices if precision not in _possible(d)]
        if unable:
            *able, last = ["auto", *(p for p in DTYPES if all(p in _possible(d) for d in devices))]
            why = f"{unable[0]} does not multiply it; use {', '.join(able)} or {last}"
            raise StudyError(f"precision {precision}: {why}")
    return Compute(torch.device(device), precision)


def start_computing(
    device: str, conditions: Conditions, precision: str | None = None, *, sharing: int = 0
) -> Compute:
    """Make this process compute as the conditions of a trial say; return on what, and how precisely.

    Parameters
    ----------
    device
        The device of the trial.
    precision
        The precision chosen for all trials of the study; None to choose it here.
    sharing
        How many other trials may run on the same GPU. Each may fill an equal share of its memory, so
        that none runs out because another one evaluates as many examples as fit.
    """
    torch.set_num_threads(conditions.threads)
    if precision is None:
        compute = choose_compute(device, conditions.precision)
    else:
        compute = Compute(torch.device(device), precision)
    if compute.device.type == "cuda":
        # Else convolutions, and matrix products if a library turned it on, round to 10 bits in float32.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        if conditions.deterministic:
            # cuBLAS reads it when it starts in this process, which is not before the first product.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if sharing:
            share = _SHARED / (sharing + 1)
            torch.cuda.set_per_process_memory_fraction(share, compute.device)
    if torch.are_deterministic_algorithms_enabled() != conditions.deterministic:
        # Not warn_only, with which fused attention stays as it is.
        torch.use_deterministic_algorithms(conditions.deterministic)
    return compute


def product_type(compute: Compute) -> torch.dtype:
    """Return the type that 4-bit weights are multiplied in: bfloat16, or float16 if that is emulated."""
    if compute.precision != "float32":
        return DTYPES[compute.precision]
    return torch.bfloat16 if "bfloat16" in _fast(str(compute.device)) else torch.float16


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
    return lambda tensor: DTYPES[precision] if id(tensor) in multiplied else torch.float32


def own_memory(model: torch.nn.Module) -> None:
    """Copy weights out of the file that they are mapped from, so that the mapping can be released.

    As long as one weight needs the mapping, every page that was ever read stays resident. That includes
    the pages of weights that are now stored in another precision, which nothing reads again.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def _fast(device: str) -> frozenset[str]:
    """Return the 16-bit precisions in which a device multiplies faster than in float32."""
    place = torch.device(device)
    if place.type == "cuda":
        capability = torch.cuda.get_device_capability(place)
        if capability >= (8, 0):
            return frozenset({"bfloat16", "float16"})
        # Volta and Turing emulate bfloat16.
        return frozenset({"float16"} if capability >= (7, 0) else ())
    if place.type == "mps":
        # The M1 emulates bfloat16, as do the GPUs of Macs before it.
        name = torch.backends.mps.get_name()
        native = name.startswith("Apple M") and "M1" not in name.split()
        able = native and torch.backends.mps.is_macos_or_newer(14, 0)
    else:
        # Emulated bfloat16 is slower than float32, so only native instructions count.
        able = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return frozenset({"bfloat16"} if able else ())


def _possible(device: str) -> frozenset[str]:
    """Return the precisions that may be requested of a device."""
    more = {"float16"} if torch.device(device).type == "cuda" else set()
    return _fast(device) | {"float32"} | more
