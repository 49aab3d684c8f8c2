"""Checkpoints: the whole state of a trial, so that it resumes after it was interrupted.

Each trial has one safetensors file, written whole, with everything that decides what follows: trained
parameters, buffers, the optimiser's state, the best weights so far, all random generators, and the place
in the data. On a CPU, or if it is deterministic, a resumed trial ends bit for bit as it would have ended
without the interruption. Otherwise a GPU adds up gradients in no fixed order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import shutil
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from whichpeft.engine.compute import Compute
from whichpeft.engine.environment import describe_setting
from whichpeft.engine.fit_result import FitResult, Validation
from whichpeft.engine.job import Job
from whichpeft.engine.meter import Meter
from whichpeft.engine.tensor_file import tensor_bytes, write_tensors
from whichpeft.units import show_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from whichpeft.engine.loop import TrainState

_ADAPTER = "adapter/"
_VALIDATION = "validation/"
_SHARE = 0.02  # the share of a trial's time that writing checkpoints may take
_DISK_SHARE = 0.25  # the share of the free disk that one may take: a new one is beside the old one
# Versions that have to be the same for a resumed trial to be bit for bit identical.
_VERSIONS = ("whichpeft", "torch", "transformers", "peft", "numpy")


class Preempted(BaseException):
    """A trial was asked to end and has written a checkpoint."""


class Preemption:
    """Whether a signal has asked this process to end; a trial checks it at its next step."""

    requested = False
    """Whether the process was asked to end."""

    polled = False
    """Whether a running trial checks `requested`; if not, the process may end immediately."""


PREEMPTION = Preemption()
"""The state of this process."""


class Checkpoints:
    """Writes the checkpoint of one trial now and then, and reads the one of an earlier process.

    Without a file in the job, nothing is written.
    """

    def __init__(self, job: Job, compute: Compute, meter: Meter) -> None:
        # Each process of a sharded trial holds only a share, so there are no checkpoints.
        self._path = job.checkpoint if job.trial.conditions.shards == 1 else None
        self._stop_after = job.trial.stop_after
        self._meter, self._device = meter, compute.device
        self._every = job.checkpoint_every
        self._due = time.monotonic() + self._every
        setting = describe_setting(compute, 0)
        versions = {name: setting.versions.get(name) for name in _VERSIONS}
        self._identity = json.dumps(
            [
                job.trial.whole.fingerprint,
                *(job.micro_batch_size, setting.device, setting.precision, versions),
            ]
        )
        self.resumed = 0
        self.skipped: str | None = None

    def __enter__(self) -> Checkpoints:
        PREEMPTION.polled = self._path is not None
        return self

    def __exit__(self, *_: object) -> None:
        PREEMPTION.polled = False

    def keep(self, state: TrainState) -> None:
        """Write a checkpoint if one is due; raise Preempted if the process was asked to end."""
        if self._path is None or (not PREEMPTION.requested and time.monotonic() < self._due):
            return
        self._write(self._path, state)
        if PREEMPTION.requested:
            raise Preempted

    def pause(self, state: TrainState) -> None:
        """Write a checkpoint at the end of a screening trial, for a longer one to resume from.

        The longer one counts its own seconds only, and was not interrupted.
        """
        if self._path is not None:
            self._write(self._path, state, paused=True)

    def _write(self, path: Path, state: TrainState, *, paused: bool = False) -> None:
        with self._meter.phase("save"):
            began = time.monotonic()
            state.prepared.compute.synchronise()
            adapter = state.prepared.adapter.state()
            tensors = {
                **_numbered("weights", state.changing()),
                **_numbered("best", state.best or ()),
                **_numbered("pending", state.pending),
                **state.optimisation.state(),
                **{f"{_ADAPTER}{name}": tensor for name, tensor in adapter.items()},
                **_validation(state.fitted.validation),
                **_generators(self._device),
            }
            said = {
                "identity": self._identity,
                "fitted": json.dumps(_without_arrays(state.fitted)),
                "random": json.dumps(random.getstate()),
                "seconds": json.dumps(self._meter.by_phase()),
                "resumed": str(self.resumed),
                "paused": json.dumps(paused),
            }
            if self._has_room(path, tensor_bytes(tensors)):
                with contextlib.suppress(OSError):  # a full disk only costs the checkpoint
                    write_tensors(path, tensors, said)
            now = time.monotonic()
            self._due = now + max(self._every, (now - began) / _SHARE)

    def _has_room(self, path: Path, size: int) -> bool:
        """Whether the disk has room for a checkpoint of this size; if not, note that it is skipped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free + (path.stat().st_size if path.is_file() else 0)
        if size <= free * _DISK_SHARE:
            return True
        self.skipped = (
            f"no checkpoint is written: it takes {show_bytes(size)}, and {path.parent} has "
            f"{show_bytes(free)} free, of which a quarter may be used; an interrupted trial starts again"
        )
        return False

    def restore(self, state: TrainState) -> None:
        """Load the checkpoint if it is this trial's and of the same versions; else change nothing.

        A screening trial cannot use the checkpoint of a longer one.
        """
        found = self._read()
        if found is None:
            return
        said, tensors = found
        fitted = json.loads(said["fitted"])
        if self._stop_after is not None and fitted["steps"] > self._stop_after:
            return
        with torch.no_grad():
            for tensor, kept in zip(state.changing(), _of("weights", tensors), strict=True):
                tensor.copy_(kept)
        state.optimisation.restore(tensors)
        # Only what is used on the device goes there: not the moments, which are there already, nor the
        # best weights, nor the generators' float64, which MPS refuses.
        state.prepared.adapter.restore(
            {
                name.removeprefix(_ADAPTER): tensor.to(self._device)
                for name, tensor in tensors.items()
                if name.startswith(_ADAPTER)
            }
        )
        # A copy, because a tensor of the file keeps all of it on the disk after it was replaced.
        state.best = [tensor.clone() for tensor in _of("best", tensors)] or None
        state.pending = [tensor.to(self._device) for tensor in _of("pending", tensors)]
        for name, value in fitted.items():
            if hasattr(state.fitted, name):  # an earlier version may have kept other fields
                setattr(state.fitted, name, value)
        state.fitted.validation = _restored_validation(state.fitted.validation, tensors)
        state.fitted.curve = [(step, name, value) for step, name, value in state.fitted.curve]
        version, words, gauss = json.loads(said["random"])
        random.setstate((version, tuple(words), gauss))
        _set_generators(tensors, self._device)
        if json.loads(said.get("paused", "false")):
            return
        self._meter.carry_over(json.loads(said["seconds"]))
        self.resumed = int(said["resumed"]) + 1

    def _read(self) -> tuple[Mapping[str, str], dict[str, torch.Tensor]] | None:
        if self._path is None or not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                said = file.metadata() or {}
                if said.get("identity") != self._identity:
                    return None
                return said, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):  # the file is damaged: the trial starts again
            return None


def _without_arrays(fitted: FitResult) -> dict[str, Any]:
    kept = fitted.validation
    light = None if kept is None else dataclasses.replace(kept, arrays={})
    return dataclasses.asdict(dataclasses.replace(fitted, validation=light))


def _validation(kept: Validation | None) -> dict[str, torch.Tensor]:
    arrays = {} if kept is None else kept.arrays
    return {f"{_VALIDATION}{name}": torch.from_numpy(array) for name, array in arrays.items()}


def _restored_validation(said: Any, tensors: Mapping[str, torch.Tensor]) -> Validation | None:
    if said is None:
        return None
    arrays = {
        name.removeprefix(_VALIDATION): tensor.numpy()
        for name, tensor in tensors.items()
        if name.startswith(_VALIDATION)
    }
    return Validation(said["score"], said["loss"], arrays)


def _generators(device: torch.device) -> dict[str, torch.Tensor]:
    kept: Any = np.random.get_state(legacy=True)
    _, words, place, has_gauss, gauss = kept
    found = {
        "generator/torch": torch.get_rng_state(),
        "generator/numpy": torch.from_numpy(words.astype(np.int64)),
        "generator/numpy-place": torch.tensor([place, has_gauss]),
        "generator/numpy-gauss": torch.tensor([gauss], dtype=torch.float64),
    }
    if device.type == "cuda":
        found["generator/device"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        found["generator/device"] = torch.mps.get_rng_state()
    return found


def _set_generators(tensors: Mapping[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(tensors["generator/torch"])
    words = tensors["generator/numpy"].numpy().astype(np.uint32)
    place, has_gauss = tensors["generator/numpy-place"].tolist()
    gauss = float(tensors["generator/numpy-gauss"][0])
    np.random.set_state(("MT19937", words, place, has_gauss, gauss))
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["generator/device"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(tensors["generator/device"])


def _numbered(name: str, tensors: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{name}/{i}": tensor for i, tensor in enumerate(tensors)}


def _of(name: str, tensors: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors that `_numbered` has named, in order."""
    count = sum(key.startswith(f"{name}/") for key in tensors)
    return [tensors[f"{name}/{i}"] for i in range(count)]
