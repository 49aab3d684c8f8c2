"""How fast this machine trains, measured in about half a second on one transformer layer."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from whichpeft.engine.compute import Compute

_SECONDS = 0.4
_WIDEST = 1024  # wider layers are no faster, and take long to make
_MOST_TOKENS = 4096


def measure_speed(compute: Compute, *, width: int, batch_size: int, length: int) -> float:
    """Return sustained FLOP/s of training one encoder layer of this width on such batches.

    Forward, backward and update, every weight trained; the best of the steps that fit the time,
    since what else the machine does can only slow them down.
    """
    width = max(64, min(width, _WIDEST) // 64 * 64)
    length = min(length, _MOST_TOKENS)
    size = max(1, min(batch_size, _MOST_TOKENS // length))
    device = compute.device
    layer = torch.nn.TransformerEncoderLayer(
        width, width // 64, 4 * width, activation="gelu", batch_first=True, device=device
    )
    inputs = torch.randn(size, length, width, device=device, requires_grad=True)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=device.type in ("cpu", "cuda"))

    def step() -> float:
        compute.synchronise()
        began = time.perf_counter()
        with compute.autocast():
            loss = layer(inputs).float().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        compute.synchronise()
        return time.perf_counter() - began

    with FlopCounterMode(display=False) as counter:
        step()
    began, fastest = time.perf_counter(), step()
    while time.perf_counter() - began < _SECONDS:
        fastest = min(fastest, step())
    return float(counter.get_total_flops()) / fastest
