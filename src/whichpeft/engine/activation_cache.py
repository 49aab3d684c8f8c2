"""Frozen work done once: what layers below all training give is computed once and read again.

Where a method trains the head, or the last layers, and adds nothing below, every epoch, seed and
tuning trial would compute the same activations anew. Those layers run as they are used, without
dropout, which is what probing a frozen model means; so their outputs are a property of the
examples, and are kept in a file beside the encoded data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from whichpeft.engine.batches import evaluation_batches
from whichpeft.engine.compute import Compute
from whichpeft.engine.meter import Meter
from whichpeft.engine.model_setup import PreparedTrial
from whichpeft.tasks import Array, Batch, DecodedTask, Examples

_AT_ONCE = 64
_MEMORY_SHARE = 0.06  # of what is free, for one split's activations, which are there twice for a moment
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05}  # of the largest output; other padding, other rounding


class _CannotCache(Exception):
    """The activations do not fit into memory, or are of no kind that can be replayed."""


@dataclass(slots=True)
class _Replay:
    """Stands in for the frozen layers, each of which then returns what is in `now`.

    width: of the tuple that a layer returns, 0 where it returns a tensor; known once recorded.
    concurrent_trials: how many other trials may be keeping activations at the same time.
    """

    layers: Sequence[torch.nn.Module]
    concurrent_trials: int = 0
    width: int = 0
    now: torch.Tensor | None = None

    @contextmanager
    def recorded(self) -> Iterator[list[torch.Tensor]]:
        """Give a list that gets the highest frozen layer's activations of each forward pass."""
        seen: list[torch.Tensor] = []

        def see(_: object, __: object, output: Any) -> None:
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
            del layer.forward  # the class's own shows again

    def _forward(self, *_: object, **__: object) -> Any:
        return (self.now, *[None] * (self.width - 1)) if self.width else self.now


class CachedActivations:
    """A split whose batches carry the activations at the boundary to the model's replay."""

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
    """Activations of a split: rows ``offsets[i]:offsets[i + 1]`` of `values` are example i's.

    values: (rows, ...). Where every example has `rows` alike, batches need no padding.
    """

    values: torch.Tensor
    offsets: Array

    def batch(self, indices: Array) -> torch.Tensor:
        """Return (n, longest, ...), zeros where an example is shorter; nothing reads those."""
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
    """Return the model with its frozen layers replayed from activations that are kept.

    That is the same model where there are none, where several processes share it, where a batch is
    not one pass through the model, or where replaying does not give what the model gives. data: the file
    of the encoded task; activations are kept beside
    it, for all trials that read it. splits: those that will be read, each with the phase that its
    activations count to. concurrent_trials: how many other trials may run at the same time.
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
        agrees = _agree(prepared, replayed, replay, next(iter(splits)))
    except _CannotCache:
        return prepared
    return replace(prepared, examples=replayed, cached_layers=len(layers)) if agrees else prepared


def _compute(prepared: PreparedTrial, examples: Examples, replay: _Replay, path: Path) -> _Kept:
    """Run the model on a split up to the boundary, and keep what comes out there."""
    free = _MEMORY_SHARE * psutil.virtual_memory().available / (replay.concurrent_trials + 1)
    parts: dict[int, torch.Tensor] = {}
    with replay.recorded() as seen, torch.inference_mode(), prepared.compute.autocast():
        for batch in evaluation_batches(examples.sizes, _AT_ONCE):
            prepared.task.outputs(prepared.model, prepared.compute.place(examples.batch(batch)))
            out = seen[-1]  # of a layer that runs several times, as ALBERT's, the last
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
    except (OSError, RuntimeError):  # no room for it, as torch says too: this trial has it all the same
        partial.unlink(missing_ok=True)
        return kept
    return _read(path) or kept  # mapped, so that trials share its pages


def _lengths(out: torch.Tensor, sizes: Array) -> list[int]:
    """Return how much of each row is the example's own: its size where the batch was padded."""
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
    """Whether a batch gives the same outputs replayed; if so the replay stays in place."""
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
