"""Folders with tiny random models, as transformers saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIZES = {
    "vocab_size": 40,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 32,
}
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save a random model of a transformers class; further arguments go into its configuration."""

    def found(kind: str, name: str = "model", seed: int = 0, **config: Any) -> Path:
        import torch
        import transformers

        torch.manual_seed(seed)
        model_class = getattr(transformers, kind)
        fields = {**SIZES, "num_hidden_layers": 2, **config}
        folder = tmp_path / name
        model_class(model_class.config_class(**fields)).save_pretrained(folder)
        return folder

    return found
