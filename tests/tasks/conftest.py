from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Set before any library reads it: no test here may use the network.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from whichpeft.backbones import Backbone, resolve_backbone

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Find a folder of real data next to the checkout, or skip the test."""

    def find(name: str) -> Path:
        folder = SHARED / name
        if not folder.is_dir():
            pytest.skip(f"real data are not on this machine: {folder}")
        return folder

    return find


@pytest.fixture(scope="session")
def minilm() -> Backbone:
    return resolve_backbone("minilm")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)
