"""Fake tensors: they have a shape, a type and a device, but no content and no memory.

Tensors on the meta device do not belong to any kind of device, so autocast and the choice of an
attention kernel do not treat them as those of the real device. Fake tensors are treated like tensors of
the device that they name, even a GPU on a machine without one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from whichpeft.backbones.quiet_libraries import quiet_warnings


def make_fake(model: torch.nn.Module, device: torch.device) -> FakeTensorMode:
    """Turn a model on the meta device into one of fake tensors, in place; return their mode.

    Tensors stay the same objects, so every other reference to one of them sees the fake.
    """
    mode = FakeTensorMode()
    for tensor in _tensors(model):
        shape = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        fake: Any = FakeTensor(mode, shape, device, requires_grad=tensor.requires_grad)
        if isinstance(tensor, torch.nn.Parameter):
            fake._is_param = True
        torch.utils.swap_tensors(tensor, fake)
    return mode


@contextlib.contextmanager
def quiet_fakes() -> Iterator[None]:
    """Silence warnings, and torch's log of what fake tensors cannot do: a row or a record names it."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with quiet_warnings():
            yield
    finally:
        log.setLevel(level)


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor that a module holds, once: parameters, buffers, and plain attributes."""
    seen: set[int] = set()
    for module in model.modules():
        attributes = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        for leaf in tree_leaves([module._parameters, module._buffers, attributes]):
            if isinstance(leaf, torch.Tensor) and id(leaf) not in seen:
                seen.add(id(leaf))
                yield leaf
