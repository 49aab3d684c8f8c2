"""Puts methods on a model without weights that need content in PEFT, but of which only shapes matter.

Some of PEFT's methods decompose weights, draw positions or write a permutation out when they are put on
a model. The shapes of what they make follow from those of the model alone, with one exception, which is
said. Here these steps make tensors of the same shapes, without content.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import torch

    _Steps = Iterator[AbstractContextManager[object]]

_replace = mock.patch.object


class WeightsDecide(Exception):
    """The weights decide how many parameters a method has. The message says why."""


@contextlib.contextmanager
def shapes_only(peft_type: str) -> Iterator[None]:
    """Replace what a method of PEFT does with content, as long as the context lasts."""
    with contextlib.ExitStack() as stack:
        for step in _STEPS.get(peft_type, tuple)():
            stack.enter_context(step)
        yield


def _adamss() -> _Steps:
    import torch
    from peft.tuners.adamss import layer

    real = layer.AdamssLayer.update_layer

    def update(self: Any, name: str, r: int, config: Any, **kwargs: Any) -> None:
        if config.subspace_rank > 1:
            raise WeightsDecide(
                "AdaMSS clusters the rows of each weight, and clusters of fewer than subspace_rank="
                f"{config.subspace_rank} rows get a lower rank"
            )
        with _replace(config, "use_dynamic_rank", False):  # a rank of 1 cannot be lowered
            real(self, name, r, config=config, **kwargs)

    def decompose(weight: torch.Tensor, r: int, *args: object, **kwargs: object) -> object:
        rows, columns = weight.shape[2:]
        r = min(r, rows, columns)
        # Ones, because PEFT decomposes them further, and what happens to lie in memory may be infinite.
        return torch.ones(1, 1, r, columns), torch.ones(1, 1, rows, r)

    def cluster(rows: torch.Tensor, count: int, *args: object) -> tuple[object, int]:
        count = min(count, len(rows))
        return torch.arange(len(rows)).tensor_split(count), count

    yield _replace(layer.AdamssLayer, "update_layer", update)
    yield _replace(layer, "slice_pca", decompose)
    yield _replace(layer, "clustering_Z", cluster)
    yield _replace(layer, "seg_locations", lambda clusters: dict(enumerate(clusters)))


def _boft() -> _Steps:
    import torch
    from peft.tuners.boft import layer

    # If the extension for CUDA cannot be compiled, PEFT tries again for every layer.
    yield _replace(layer, "get_fbd_cuda", cache(layer.get_fbd_cuda))
    yield _replace(layer.BOFTLayer, "block_butterfly_perm", lambda self, n, *args: torch.arange(n))
    yield _replace(layer.BOFTLayer, "perm2mat", lambda self, order: torch.empty(len(order), len(order)))


def _frod() -> _Steps:
    import torch
    from peft.tuners._buffer_dict import BufferDict
    from peft.tuners.frod import layer, model
    from torch.overrides import TorchFunctionMode

    class StayOnMeta(TorchFunctionMode):  # type: ignore[misc]
        """Leaves tensors without content on the meta device if they should be copied to the CPU."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func in (torch.Tensor.to, torch.Tensor.cpu) and args[0].is_meta:
                kwargs.pop("device", None)
                if len(args) + len(kwargs) == 1:
                    return args[0]
            return func(*args, **kwargs)

    def project(self: Any, config: Any, name: str) -> None:
        """Make the basis and the sparse positions that all modules of a category share."""
        config = self._prepare_adapter_config(config, self.get_model_config(self.model))
        config = model._maybe_include_all_linear_layers(config, self.model)
        bases, positions, sizes = {}, {}, {}
        for key, module in self.model.named_modules():
            if not self._check_target_module_exists(config, key) or not hasattr(module, "weight"):
                continue
            width, _ = layer._get_in_out_features(module)
            entries = min(int(width * width * config.sparse_rate), width * (width - 1))
            if config.sparse_rate > 0 and width > 1:
                entries = max(1, entries)
            category = model._category_from_key(key)
            bases[category] = torch.empty(width, width)
            positions[category] = torch.empty(2, entries, dtype=torch.long)
            sizes[category] = torch.empty(2, dtype=torch.long)

        def buffers(made: Mapping[str, torch.Tensor]) -> torch.nn.ModuleDict:
            saved = config.save_projection
            return torch.nn.ModuleDict(
                {key: BufferDict({name: tensor}, persistent=saved) for key, tensor in made.items()}
            )

        self.frod_V, self.frod_s_indices, self.frod_s_size = map(buffers, (bases, positions, sizes))

    def decompose(self: Any, basis: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.empty(weight.shape), torch.empty(weight.shape[1])

    yield StayOnMeta()
    yield _replace(model.FrodModel, "_init_frod_projections", project)
    yield _replace(layer.FrodLayer, "_calculate_frod_u_and_lambda", decompose)


def _shira() -> _Steps:
    import torch
    from peft.tuners.shira.layer import ShiraLayer

    real = ShiraLayer.update_layer

    def update(self: Any, name: str, mask: object, *args: Any, **kwargs: Any) -> None:
        real(self, name, None, *args, **kwargs)
        if mask is not None:
            self.shira_indices[name] = torch.empty((2, len(self.shira_weight[name])), dtype=torch.int)

    yield _replace(ShiraLayer, "update_layer", update)


def _unilora() -> _Steps:
    import torch
    from peft.tuners.unilora.model import UniLoraModel

    def scale(self: Any, name: str) -> None:
        for layer in self._iter_unilora_layers():
            indices = (layer.unilora_indices_A[name], layer.unilora_indices_B[name])
            layer.update_scaling(name, *(torch.empty(found.shape) for found in indices))

    yield _replace(UniLoraModel, "_assign_unilora_indices_and_scales", scale)


_STEPS: dict[str, Callable[[], _Steps]] = {
    "ADAMSS": _adamss,
    "BOFT": _boft,
    "FROD": _frod,
    "SHIRA": _shira,
    "UNILORA": _unilora,
}
