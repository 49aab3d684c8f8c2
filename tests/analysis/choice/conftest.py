"""Records of four methods."""

from __future__ import annotations

import pytest

from ... import builders


@pytest.fixture
def records():
    """full and lora are truly equal, bitfit is five points behind; lora takes half the time."""
    return [
        *builders.whole("full", [0.880, 0.882, 0.881], adapter=builders.BASE, seconds=60, memory=8e8),
        *builders.whole("lora", [0.879, 0.881, 0.880], adapter=99_000, seconds=30, memory=4e8),
        *builders.whole("bitfit", [0.830, 0.831, 0.829], adapter=9_000, seconds=20, memory=3e8),
        builders.idle_profile(),
        *(builders.final("zero-shot", seed, 0.5, adapter=0) for seed in range(3)),
    ]
