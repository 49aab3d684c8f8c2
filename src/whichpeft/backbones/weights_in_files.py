"""Leaves a backbone's large weights in their files while a model is built and a method is applied to it.

A trial on a GPU needs a weight there, in the type of the products or in float32. A copy in float32 on
the host would cost memory, and most of the time of loading. Yet methods have to meet the model that
they meet on a CPU: in float32, on the host, so that a seed draws the same head and the same adapter
everywhere. Most methods only look at a weight's shape, type and device. They get a tensor that has
those and holds nothing. If a method reads a weight, the caller has to load the model in full.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


class _WeightsNeeded(RuntimeError):
    """Content of weights that are still in their files was asked for."""


@dataclass(slots=True)
class _Weight:
    """A weight in a file, and the tensor that stands for it."""

    path: str
    name: str
    stand_in: torch.Tensor
    taken: bool = False

    def read(self) -> torch.Tensor:
        """Return the weight as it is stored, mapped from the file."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt", device="cpu") as file:
            weight: torch.Tensor = file.get_tensor(self.name)
        return weight


class WeightsInFiles:
    """The weights that `left_in_files` has left there."""

    def __init__(self) -> None:
        self.needed = False
        """Whether content was asked for: then the model is not usable, and has to be loaded in full."""
        self._by_address: dict[int, _Weight] = {}

    def fill(
        self,
        model: torch.nn.Module,
        device: torch.device,
        kind: Callable[[torch.Tensor], torch.dtype],
    ) -> bool:
        """Read the weights of a model, one at a time, each cast on its device to the type that it gets.

        Return False, with nothing read, if one of them has been converted since, so that nothing stands
        for it.
        """
        tensors = [*model.parameters(), *model.buffers()]
        found = [(tensor, weight) for tensor in tensors if (weight := self._of(tensor)) is not None]
        present = {id(weight) for _, weight in found}
        lost = [w for w in self._by_address.values() if w.taken and id(w) not in present]
        if lost or any(tensor.shape != weight.stand_in.shape for tensor, weight in found):
            return False
        for tensor, weight in found:
            tensor.data = weight.read().to(device).to(kind(tensor))
        return True

    def opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what opens a file in place of safetensors' own function."""

        def open_file(path: object, *args: object, **options: object) -> _File:
            return _File(real(path, *args, **options), str(path), self)

        return open_file

    def leave(self, path: str, name: str, shape: Sequence[int]) -> _Weight:
        """Return a weight whose stand-in takes no memory. Its content shows wherever it is used."""
        weight = _Weight(path, name, torch.full((), torch.nan, dtype=torch.float32).expand(tuple(shape)))
        self._by_address[weight.stand_in.untyped_storage().data_ptr()] = weight
        return weight

    def check(self, func: torch._ops.OpOverload, values: object) -> None:
        """Raise an error if an operation reads or writes a stand-in."""
        if not func.is_view and any(
            isinstance(value, torch.Tensor) and self._of(value) is not None
            for value in tree_leaves(values)
        ):
            self.needed = True
            raise _WeightsNeeded(f"{func} reads a weight that is still in its file")

    def _of(self, tensor: torch.Tensor) -> _Weight | None:
        if tensor.is_meta or tensor.layout is not torch.strided:
            return None
        return self._by_address.get(tensor.untyped_storage().data_ptr())


@contextlib.contextmanager
def left_in_files() -> Iterator[WeightsInFiles]:
    """Leave the matrices of every model that transformers loads in the files."""
    import transformers.modeling_utils

    weights = WeightsInFiles()
    real = transformers.modeling_utils.safe_open
    with (
        mock.patch.object(transformers.modeling_utils, "safe_open", weights.opened(real)),
        _Watch(weights),
    ):
        yield weights


class _Watch(TorchDispatchMode):  # type: ignore[misc]
    """Sees every operation on a tensor."""

    def __init__(self, weights: WeightsInFiles) -> None:
        super().__init__()
        self._weights = weights

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        self._weights.check(func, (args, kwargs))
        return func(*args, **(kwargs or {}))


class _File:
    """An open file of safetensors whose matrices stay in it."""

    def __init__(self, file: Any, path: str, weights: WeightsInFiles) -> None:
        self._file, self._path, self._weights = file, path, weights

    def get_slice(self, name: str) -> Any:
        found = self._file.get_slice(name)
        shape = found.get_shape()
        if len(shape) < 2 or found.get_dtype() not in _FLOATS:
            return found
        return _Slice(found, self._weights.leave(self._path, name, shape))

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Slice:
    """A tensor of a file that is not read when it is asked for."""

    def __init__(self, real: Any, weight: _Weight) -> None:
        self._real, self._weight = real, weight

    def __getitem__(self, index: object) -> torch.Tensor:
        if index is not Ellipsis:
            part: torch.Tensor = self._real[index]
            return part
        self._weight.taken = True
        return self._weight.stand_in

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
