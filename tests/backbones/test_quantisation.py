"""The type that quantised weights are turned back into."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from whichpeft.backbones.quantisation import multiply_in
from whichpeft.engine.compute import Compute, product_type


class FourBits(torch.nn.Linear):  # type: ignore[misc]
    """A layer with what bitsandbytes adds: a state of the weight, and a type to compute in."""

    def __init__(self, size: int) -> None:
        super().__init__(size, size)
        self.weight.quant_state = SimpleNamespace(dtype=torch.float32, shape=(size, size))
        self.compute_dtype = torch.bfloat16


def test_4_bit_weights_are_turned_back_into_the_type_of_the_products() -> None:
    plain, packed = torch.nn.Linear(4, 4), FourBits(4)
    multiply_in(torch.nn.Sequential(plain, torch.nn.Sequential(packed)), torch.float16)
    assert packed.weight.quant_state.dtype is packed.compute_dtype is torch.float16
    assert not hasattr(plain, "compute_dtype")


@pytest.mark.parametrize(
    ("capability", "precision", "expected"),
    [
        ((7, 5), "float32", torch.float16),  # a T4 emulates bfloat16
        ((8, 0), "float32", torch.bfloat16),
        ((9, 0), "bfloat16", torch.bfloat16),
    ],
)
def test_a_gpu_without_bfloat16_multiplies_in_float16(
    capability: tuple[int, int],
    precision: str,
    expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert product_type(Compute(torch.device("cuda"), precision)) is expected


def test_bits_do_not_depend_on_the_type_between() -> None:
    """With the real bitsandbytes, if it is installed: forward and backward."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    found = []
    for direct in (False, True):
        torch.manual_seed(0)
        layer = bitsandbytes.nn.Linear4bit(
            128, 64, compute_dtype=torch.bfloat16, quant_type="nf4", compress_statistics=True
        ).to("cpu")
        assert layer.weight.quant_state.dtype is torch.float32
        if direct:
            multiply_in(layer, torch.bfloat16)
        x = torch.randn(3, 128, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        y.float().sum().backward()
        found.append((y.detach(), x.grad))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))
