"""Measures how fast this machine trains one transformer layer, and multiplies matrices."""

from __future__ import annotations

import itertools
import math
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from whichpeft.engine.compute import DTYPES, Compute

_SECONDS = 0.4
# Wider layers reach no more FLOP/s. A narrow one shows on a GPU only how fast kernels are started.
_WIDEST = {"cpu": 1024, "mps": 1024, "cuda": 4096}
_WEIGHT_BYTES = 12 * 4 * 4  # of a layer per squared width: weights, gradients and the optimiser's state
_FREE_SHARE = 4  # such a layer may take one part in four of the free memory
_MOST_TOKENS = 4096

_MATMUL_SECONDS = 0.2
_MATMUL_WIDTH = {"cpu": 512, "mps": 4096, "cuda": 8192}  # per thread of a CPU; wider reaches no more


def measure_speed(compute: Compute, *, width: int, batch_size: int, length: int, threads: int) -> float:
    """Return the sustained FLOP/s of training one encoder layer of this width on such batches.

    A step is forward, backward and update, with every weight trained. The result is that of the fastest
    step that fits the time, since other processes can only slow a step down. One thread of a CPU is
    timed by the processor that it used, which other processes hardly change.

    Parameters
    ----------
    threads
        Number of CPU threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _layer_speed(compute, width, batch_size, length, alone=threads == 1)
    finally:
        torch.set_num_threads(before)


def _layer_speed(compute: Compute, width: int, batch_size: int, length: int, *, alone: bool) -> float:
    clock = time.process_time if alone and compute.device.type == "cpu" else time.perf_counter
    width = max(64, min(width, _widest(compute.device)) // 64 * 64)
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
        began = clock()
        with compute.autocast():
            loss = layer(inputs).float().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        compute.synchronise()
        return clock() - began

    with FlopCounterMode(display=False) as counter:
        step()
    began, fastest = time.perf_counter(), step()
    while time.perf_counter() - began < _SECONDS:
        fastest = min(fastest, step())
    return float(counter.get_total_flops()) / fastest


def _widest(device: torch.device) -> int:
    """Return the greatest width of a layer that is measured."""
    widest = _WIDEST[device.type]
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        widest = min(widest, math.isqrt(free // _FREE_SHARE // _WEIGHT_BYTES))
    return widest


def measure_matmul(compute: Compute, threads: int) -> float:
    """Return the FLOP/s at which the device multiplies two large matrices.

    The precision is that of training's products. The result is that of the fastest product that fits the
    time. Each product is so short that other processes do not disturb all of them.

    Parameters
    ----------
    threads
        Number of CPU threads.
    """
    width = _MATMUL_WIDTH[compute.device.type]
    if compute.device.type == "cpu":
        width *= math.isqrt(threads - 1) + 1
    dtype = DTYPES[compute.precision]
    left, right = (torch.randn(width, width, device=compute.device).to(dtype) for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        fastest = float("inf")
        end = time.perf_counter() + _MATMUL_SECONDS
        for turn in itertools.count():
            compute.synchronise()
            began = time.perf_counter()
            left @ right
            compute.synchronise()
            if turn:  # the first one loads the kernel
                fastest = min(fastest, time.perf_counter() - began)
                if time.perf_counter() > end:
                    break
    finally:
        torch.set_num_threads(before)
    return 2 * width**3 / fastest
