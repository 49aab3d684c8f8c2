"""Caches the activations of frozen layers: they are computed once and read again.

If a method trains only the head, or the last layers, and adds nothing below, every epoch, seed and
tuning trial would compute the same activations again. Frozen layers run without dropout, as in any
probe of a frozen model, so their outputs depend on the examples alone. They are kept in a file next to
the encoded data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch

from whichpeft.engine.batches import evaluation_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.tasks import Array, Batch, DecodedTask, Examples

_MEMORY_SHARE = 0.06  # of free memory, for one split's activations, which briefly exist twice
_TOLERANCE = {
    "float32": 1e-3,
    "bfloat16": 0.05,
    "float16": 0.01,
}  # of the largest output; padding changes rounding


class _CannotCache(Exception):
    """The activations do not fit in memory, or are of a kind that cannot be replayed."""


@dataclass(slots=True)
class _Replay:
    """Replaces the forward pass of the frozen layers: each returns the cached activations."""

    layers: Sequence[torch.nn.Module]
    """The frozen layers, lowest first."""

    concurrent_trials: int = 0
    """How many other trials may be caching activations at the same time."""

    width: int = 0
    """Length of the tuple that a layer returns, 0 if it returns a tensor; known after recording."""

    now: torch.Tensor | None = None
    """The cached activations of the current batch."""

    @contextmanager
    def recorded(self) -> Iterator[list[torch.Tensor]]:
        """Provide a list to which each forward pass adds the activations of the highest frozen layer."""
        seen: list[torch.Tensor] = []

        def see(_: object, __: object, output: object) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            self.width = len(output) if isinstance(output, tuple) else 0
            if not isinstance(parts[0], torch.Tensor) or any(part is not None for part in parts[1:]):
                raise _CannotCache
            seen.append(parts[0])

        hook = self.layers[-1].register_forward_hook(see)
        try:
            yield seen
        finally:
            hook.remove()

    def install(self) -> None:
        for layer in self.layers:
            layer.forward = self._forward

    def remove(self) -> None:
        for layer in self.layers:
            del layer.forward  # uncovers the method of the class

    def _forward(
        self, *_: object, **__: object
    ) -> torch.Tensor | tuple[torch.Tensor | None, ...] | None:
        return (self.now, *[None] * (self.width - 1)) if self.width else self.now


class CachedActivations:
    """A split that hands the cached activations of each batch to the replay when the batch is drawn."""

    def __init__(self, examples: Examples, kept: _Kept, replay: _Replay, compute: Compute) -> None:
        self._examples, self._kept, self._replay, self._compute = examples, kept, replay, compute

    @property
    def labels(self) -> Array:
        return self._examples.labels

    @property
    def sizes(self) -> Array:
        return self._examples.sizes

    @property
    def tokens(self) -> Array | None:
        return self._examples.tokens

    @property
    def truncated(self) -> float:
        return self._examples.truncated

    def __len__(self) -> int:
        return len(self._examples)

    def batch(self, indices: Array) -> Batch:
        self._replay.now = self._kept.batch(np.asarray(indices)).to(self._compute.device)
        return self._examples.batch(indices)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Activations of a split: rows ``offsets[i]:offsets[i + 1]`` of `values` are those of example i."""

    values: torch.Tensor
    """Activations, (rows, ...). If all examples have the same number of rows, nothing is padded."""

    offsets: Array
    """Where each example's rows begin, (examples + 1,)."""

    def batch(self, indices: Array) -> torch.Tensor:
        """Return (n, longest, ...), padded with zeros that nothing reads."""
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        longest = int(lengths.max())
        padded = self.values.new_zeros((len(indices), longest, *self.values.shape[1:]))
        for i, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            padded[i, :length] = self.values[start : start + length]
        return padded


def use_cached_activations(
    prepared: PreparedTrial,
    data: Path,
    splits: Mapping[str, str],
    meter: Meter,
    *,
    concurrent_trials: int = 0,
) -> PreparedTrial:
    """Return the model with its frozen layers replayed from cached activations.

    The model is returned unchanged if it has no frozen layers, if several processes share it, if a batch
    takes more than one pass through it, or if replaying does not reproduce its outputs.

    Parameters
    ----------
    data
        File of the encoded task; activations are kept next to it, for all trials that read it.
    splits
        The splits that will be read, each with the phase that computing its activations counts to.
    concurrent_trials
        How many other trials may run at the same time.
    """
    layers = prepared.frozen_prefix
    if not layers or prepared.group.size > 1 or isinstance(prepared.task, DecodedTask):
        return prepared
    replay = _Replay(layers, concurrent_trials)
    replayed: dict[str, Examples] = dict(prepared.examples)
    prepared.model.eval()
    try:
        for split, phase in splits.items():
            with meter.phase(phase):
                path = data.with_name(f"{data.stem}.{len(layers)}.{split}.activations")
                kept = _read(path) or _compute(prepared, prepared.examples[split], replay, path)
            replayed[split] = CachedActivations(prepared.examples[split], kept, replay, prepared.compute)
    except (_CannotCache, torch.OutOfMemoryError):  # evaluation can do with fewer examples at a time
        return prepared
    agrees = _agree(prepared, replayed, replay, next(iter(splits)))
    return replace(prepared, examples=replayed, cached_layers=len(layers)) if agrees else prepared


def _compute(prepared: PreparedTrial, examples: Examples, replay: _Replay, path: Path) -> _Kept:
    """Run the model on a split and keep what leaves the highest frozen layer."""
    free = _MEMORY_SHARE * psutil.virtual_memory().available / (replay.concurrent_trials + 1)
    parts: dict[int, torch.Tensor] = {}
    with replay.recorded() as seen, torch.inference_mode(), prepared.compute.autocast():
        for batch in evaluation_batches(examples.sizes, prepared.evaluated_at_once):
            prepared.task.outputs(prepared.model, prepared.compute.place(examples.batch(batch)))
            out = seen[-1]  # if a layer runs several times, as ALBERT's do, the last run counts
            seen.clear()
            if out[0].nbytes * len(examples) > free:  # the largest batch comes first
                raise _CannotCache
            sizes = _lengths(out, examples.sizes[batch])
            for row, index, size in zip(out.cpu(), batch.tolist(), sizes, strict=True):
                parts[index] = row[:size].clone()
    ordered = [parts[i] for i in range(len(examples))]
    if len({part.shape[1:] for part in ordered}) > 1:
        raise _CannotCache
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in ordered])])
    kept = _Kept(torch.cat(ordered), offsets)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save({"values": kept.values, "offsets": torch.from_numpy(offsets)}, partial)
        partial.replace(path)
    except (OSError, RuntimeError):  # the disk is full, for which torch raises RuntimeError
        partial.unlink(missing_ok=True)
        return kept  # this trial uses its own copy
    return _read(path) or kept  # memory-mapped, so that trials share its pages


def _lengths(out: torch.Tensor, sizes: Array) -> list[int]:
    """Return how much of each row belongs to the example: its size, if the batch was padded."""
    padded = out.dim() == 3 and out.shape[1] == sizes.max()
    return sizes.tolist() if padded else [out.shape[1]] * len(out)


def _read(path: Path) -> _Kept | None:
    if not path.exists():
        return None
    kept = torch.load(path, mmap=True, weights_only=True)
    return _Kept(kept["values"], kept["offsets"].numpy())


def _agree(
    prepared: PreparedTrial, replayed: Mapping[str, Examples], replay: _Replay, split: str
) -> bool:
    """Whether a batch gives the same outputs when replayed; if so, the replay stays installed."""
    batch = np.arange(min(8, len(prepared.examples[split])))
    outputs = []
    for examples in (prepared.examples[split], replayed[split]):
        if examples is replayed[split]:
            replay.install()
        with torch.inference_mode(), prepared.compute.autocast():
            placed = prepared.compute.place(examples.batch(batch))
            outputs.append(prepared.task.outputs(prepared.model, placed).float())
    tolerance = _TOLERANCE[prepared.compute.precision] * float(outputs[0].abs().max())
    agrees = bool(torch.allclose(*outputs, rtol=0.0, atol=tolerance))
    if not agrees:
        replay.remove()
    return agrees
