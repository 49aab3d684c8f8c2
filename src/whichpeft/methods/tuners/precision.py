"""Whether autocast chooses the precision of matrix products, or a tuner of ours has to."""

from __future__ import annotations

import torch


def autocasts(tensor: torch.Tensor) -> bool:
    """Whether autocast is on where a tensor lies; not every kind of device knows of it."""
    device = tensor.device.type
    return bool(torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device))
