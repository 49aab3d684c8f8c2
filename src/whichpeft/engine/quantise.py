"""Quantised backbones in the engine: whether they can be, how many parameters they have."""

from __future__ import annotations

import importlib.util
import math

import torch

from whichpeft.errors import StudyError


def check_quantising(quantise: str | None, device: str) -> None:
    """Raise StudyError where a backbone cannot be quantised on a device."""
    if quantise is None:
        return
    if not device.startswith("cuda"):
        raise StudyError(
            f"quantise {quantise}: needs a CUDA device, and this would run on {device}; leave quantise "
            "out, or save memory with --gradient-checkpointing and --micro-batch"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise StudyError(
            f"quantise {quantise}: needs bitsandbytes; pip install 'whichpeft[quantised]' brings it"
        )


def parameter_size(parameter: torch.nn.Parameter) -> int:
    """Return how many weights a parameter stands for, of which several may lie in one byte."""
    state = getattr(parameter, "quant_state", None)
    return int(parameter.numel()) if state is None else math.prod(state.shape)
